"""The Store seam on Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from toril.clock import Clock, SystemClock
from toril.errors import HeldByNode, StoreUnavailable, WrongState
from toril.filter import Filter
from toril.finding import Finding
from toril.job import ChildRecord, JobRecord, JobState, NewJob, Node, expiry_reason
from toril.limits import Limits
from toril.options import Policy
from toril.store.base import (
    Awaiting,
    Cleaned,
    Extended,
    Failed,
    Found,
    Heard,
    LiveWorker,
    Metrics,
    Note,
    Outcome,
    Page,
    QueueInfo,
    Reason,
    Released,
    Run,
    ScheduleInfo,
    ScheduleRecord,
    ServerInfo,
    Step,
    WorkerInfo,
)
from toril.store.redis import listening, looking, workers
from toril.store.redis.adding import add_arguments, ids_or_error
from toril.store.redis.client import LIMIT, Client
from toril.store.redis.ears import SAFETY, Ears
from toril.store.redis.examining import examine, foreign_workers
from toril.store.redis.keys import names_for
from toril.store.redis.planting import flow_arguments, planted
from toril.store.redis.records import read_job
from toril.store.redis.scheduling import Schedules
from toril.store.redis.scripts import script
from toril.store.redis.searching import LOOK, Lines, Window, read_place, search
from toril.store.redis.stepping import step_arguments, step_of
from toril.store.redis.url import Address
from toril.store.redis.wire import refuse_foreign

__all__ = ["RedisStore"]

log = logging.getLogger("toril.store")


class RedisStore:
    """Jobs in Redis. Nothing is opened before the first use; each event loop has connections of its own.

    shown: the URL without its password. replicas: how many must have an add before it is acknowledged; None: one if
    Sentinels watch the server, for a failover forgets what was not replicated; else none.
    """

    remote = True
    largest = 2**53 - 1  # Node's

    def __init__(self, url: str, shown: str, prefix: str, clock: Clock, replicas: int | None = None) -> None:
        self._address = Address.parse(url, shown)
        self._replicas = replicas if replicas is not None else int(self._address.kind == "sentinel")
        self._shown = shown
        tagged = self._address.kind != "cluster" or prefix.startswith("{")
        self._prefix = prefix if tagged else f"{{{prefix}}}"  # a script reaches several queues: all in one slot
        self._clock = clock
        self._own_time = type(clock) is SystemClock
        self._clients: dict[asyncio.AbstractEventLoop, Client] = {}
        self._hearing: dict[asyncio.AbstractEventLoop, Ears] = {}
        self._workers: dict[str, workers.Enrolled] = {}
        self._fit = False  # the server is one that can be used
        self._known: set[str] = set()  # queues that may be used, and that the registry has
        self._schedules = Schedules(self._script, clock.now)

    # -- life

    async def open(self) -> None:
        """See Store.open."""
        await looking.check_server(self._client(), self._shown)
        self._fit = True

    async def examine(self) -> Sequence[Finding]:
        """See Store.examine."""
        return await examine(self._client(), self._address)

    async def strangers(self, queue: str) -> Finding | None:
        """See Store.strangers."""
        ours = sum(queue in worker.info.queues for worker in await self.workers())
        return await foreign_workers(self._client(), self._prefix, queue, ours)

    async def close(self) -> None:
        """See Store.close. Connections of other loops, such as that of blocking calls, are closed where they live."""
        here = asyncio.get_running_loop()
        hearing, clients, self._hearing, self._clients = self._hearing, self._clients, {}, {}
        for loop, client in clients.items():
            ends = [hearing[loop].close()] if loop in hearing else []
            for end in (*ends, client.close()):
                if loop is here:
                    await end
                elif loop.is_running():
                    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(end, loop))
                else:
                    end.close()

    def forget(self) -> None:
        """See Store.forget."""
        self._clients, self._hearing, self._workers = {}, {}, {}

    def _client(self) -> Client:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            for old in [old for old in self._clients if old.is_closed()]:
                self._clients.pop(old, None)
                self._hearing.pop(old, None)
            client = self._clients[loop] = Client(self._address, self._shown)
        return client

    def _ears(self) -> Ears:
        loop = asyncio.get_running_loop()
        if loop not in self._hearing:
            self._hearing[loop] = Ears(self._client, self._prefix)
        return self._hearing[loop]

    @property
    def _now(self) -> int | str:
        """What scripts take for the time: the server's own, unless a test moves a clock."""
        return "" if self._own_time else self._clock.now()

    async def _script(self, name: str, queue: str, arguments: Sequence[Any], limit: float | None = LIMIT) -> Any:
        keys = names_for(self._prefix, queue).pair
        return await self._client().run(script(name), keys, (self._now, *arguments), limit)

    # -- the hot path

    async def add(self, jobs: Sequence[NewJob]) -> list[str]:
        """See Store.add. A call whose reply was lost is repeated once, under the same ids."""
        await self._admit({job.queue for job in jobs})
        keys, arguments, _ = add_arguments(self._prefix, jobs)
        reply = await self._twice("add", keys, arguments)
        return ids_or_error(self._prefix, reply, self._clock.now())

    async def add_flow(self, nodes: Sequence[Node], parent: tuple[str, Run] | None) -> list[str]:
        """See Store.add_flow."""
        keys, arguments = flow_arguments(self._prefix, nodes, parent, leaves=False)
        await self._admit({node.job.queue for node in nodes})
        reply = await self._twice("flow", keys, arguments)
        return planted(self._prefix, reply, self._clock.now(), parent[1] if parent else None)

    async def _twice(self, name: str, keys: Sequence[str], arguments: Sequence[Any], *, again: bool = False) -> Any:
        """Run a script of which a repetition, said to be one, changes nothing more; both have the time of one call."""
        client, begin = self._client(), time.monotonic()
        told = (self._now, "1" if again else "", *arguments)
        try:
            return await client.run(script(name), keys, told, replicas=self._replicas)
        except StoreUnavailable as error:
            left = LIMIT - (time.monotonic() - begin)
            if not error.undecided or client.is_shut or left <= 0:
                raise
            told = (self._now, "1", *arguments)
            return await client.run(script(name), keys, told, left, replicas=self._replicas)

    async def _admit(self, queues: set[str]) -> None:
        """See that this process may use queues, before it writes to them for the first time; raise StoreRefused."""
        if not (new := queues - self._known):
            return
        if not self._fit:  # it did not answer when the store was opened
            await self.open()
        for names in (names_for(self._prefix, queue) for queue in new):
            refuse_foreign(names.queue, names.base, await self._script("wire", names.queue, ()))
        await self._client().call("SADD", f"{self._prefix}::toril:queues", *new)
        self._known |= new

    async def step(
        self, queue: str, worker: str, outcomes: Sequence[Outcome], notes: Sequence[Note], want: int
    ) -> Step:
        """See Store.step. The lane calls again after StoreUnavailable: the same step, under the same number."""
        enrolled = self._workers[worker]
        attempt, again = enrolled.attempt(queue)
        plain, failed, refused = await self._leave(queue, outcomes, attempt)
        token = enrolled.token(queue, attempt.number)
        now = self._clock.now()
        arguments = (token, "1" if again else "", worker, enrolled.lease, want, *step_arguments(plain, notes))
        reply = await self._script("step", queue, arguments, None)
        step = step_of(reply, plain, self._prefix, queue, worker, now, token)
        for phantom in reply[-1]:
            log.error("queue %s: id %r stood in line and names no job; it was dropped", queue, phantom)
        for record in step.taken:
            if record.schedule is not None:
                await self._schedules.advance(record)  # if that fails the step is repeated, and this with it
        del enrolled.unanswered[queue]
        if failed or refused:
            return Step(
                step.taken, [*step.refused, *refused], step.due_at, step.closed, step.opens_at, [*step.failed, *failed]
            )
        return step

    async def _leave(
        self, queue: str, outcomes: Sequence[Outcome], attempt: workers.Attempt
    ) -> tuple[Sequence[Outcome], list[tuple[Run, str]], list[Run]]:
        """Let runs go that wait for children; return the others, runs that failed instead, and runs that are over."""
        if not any(isinstance(outcome, Awaiting) for outcome in outcomes):
            return outcomes, [], []
        plain: list[Outcome] = []
        failed: list[tuple[Run, str]] = []
        refused: list[Run] = []
        for outcome in outcomes:
            if not isinstance(outcome, Awaiting):
                plain.append(outcome)
                continue
            run, nodes = outcome
            if run not in attempt.left:
                again = run in attempt.flows
                flow = attempt.flows.setdefault(run, flow_arguments(self._prefix, nodes, (queue, run), leaves=True))
                attempt.left[run] = await self._twice("flow", *flow, again=again)
            reply = attempt.left[run]
            match reply[:2]:
                case ["", "over"]:
                    refused.append(run)
                    continue
                case ["", "cancelled"]:
                    plain.append(Released(run))
                    continue
            try:
                planted(self._prefix, reply, self._clock.now(), run)
            except (WrongState, *looking.EXCEEDED) as error:
                failed.append((run, str(error)))
                plain.append(Failed(run, str(error), None, await self._keep_failed(queue, run.id)))
        return plain, failed, refused

    async def _keep_failed(self, queue: str, job_id: str) -> Any:
        record = await self.get(queue, job_id)
        return Policy.from_json(record.opts if record else "{}").keep_failed

    async def extend(self, worker: str, runs: Sequence[Run]) -> Extended:
        """See Store.extend."""
        enrolled = self._workers[worker]
        known = await workers.renew(self._client(), self._prefix, enrolled, self._clock.now())
        by_queue: dict[str, list[Run]] = {}
        for run in runs:
            by_queue.setdefault(enrolled.queue_of(run), []).append(run)
        lost: list[Run] = []
        cancelled: list[tuple[Run, str]] = []
        for queue, held in by_queue.items():
            told = [part for run in held for part in run]
            gone, asked = await self._script("extend", queue, (enrolled.lease, *told), None)
            lost += (held[number - 1] for number in gone)
            cancelled += ((held[number - 1], by) for number, by in asked)
        return Extended(lost, cancelled, not known)

    async def rescue(self, queue: str) -> Sequence[str]:
        """See Store.rescue."""
        return list(await self._script("rescue", queue, (), None))

    async def expire(self, queue: str) -> Sequence[str]:
        """See Store.expire. Keys and budgets run out by themselves."""
        failed: list[str] = []
        while due := await self._script("due", queue, ()):
            failed += await self._expire(queue, due)
        return failed

    async def _expire(self, queue: str, due: Sequence[Sequence[str]]) -> list[str]:
        failed: list[str] = []
        for job_id, _, opts, schedule in due:
            try:
                policy = Policy.from_json(opts or "{}")
            except ValueError:
                policy = Policy()
            record = await self.get(queue, job_id) if schedule or opts else None
            made = record.tick or record.timestamp if record else 0
            reason = expiry_reason(policy.expires_at(made) or self._clock.now())
            if policy.expires is None:  # somebody has retried the job by hand
                await self._client().call("ZREM", f"{names_for(self._prefix, queue).own}expiry", job_id)
                continue
            done = await self._script("expire", queue, (job_id, reason, *looking.kept(policy.keep_failed)))
            failed += done
            if done and schedule and record is not None:
                await self._schedules.advance(record)  # the schedule goes on
        return failed

    async def wait(self, queue: str, until: int | None) -> None:
        """See Store.wait."""
        seconds = SAFETY if until is None else min((until - self._clock.now()) / 1000, SAFETY)
        await self._ears().wait(queue, seconds)

    # -- workers

    async def enrol(self, worker: WorkerInfo) -> str:
        """See Store.enrol."""
        await self._admit(set(worker.queues))
        enrolled = workers.Enrolled(worker)
        await workers.enrol(self._client(), self._prefix, enrolled, self._clock.now())
        self._workers[enrolled.id] = enrolled
        return enrolled.id

    async def leave(self, worker: str) -> None:
        """See Store.leave."""
        enrolled = self._workers.pop(worker)
        for queue in enrolled.lanes:
            await self._script("leave", queue, (enrolled.lane(queue),))
        await workers.leave(self._client(), self._prefix, enrolled.id)

    # -- looking

    async def get(self, queue: str, job_id: str) -> JobRecord | None:
        """See Store.get."""
        found = await self._script("get", queue, (job_id,))
        return None if found is None else read_job(self._prefix, queue, found)

    async def children(self, queue: str, job_id: str) -> Sequence[ChildRecord]:
        """See Store.children."""
        rows = await self._script("children", queue, (job_id,))
        return looking.children(self._prefix, rows)

    async def list(
        self, queue: str, state: JobState, limit: int, after: str | None, *, newest: bool, offset: int = 0
    ) -> Page:
        """See Store.list."""
        arguments = (state, limit, "1" if newest else "", offset, *read_place(after), "-inf", "+inf")
        rows, places, more = await self._script("list", queue, arguments)
        jobs = [read_job(self._prefix, queue, row) for row in rows]
        return Page(jobs, f"{places[-1]}/{jobs[-1].id}" if more and jobs else None)

    async def search(self, queue: str, wanted: Filter, limit: int, after: str | None) -> Found:
        """See Store.search."""
        if wanted.id is not None:
            job = await self.get(queue, wanted.id)
            return Found([job] if job and wanted.matches(job) else [], None, 1, 1)

        async def read(state: JobState, most: int, window: Window) -> Lines:
            part = (*read_place(window.after), *looking.scores(state, window))
            reply = await self._script("search", queue, (state, LOOK, most, *part, *wanted.hints))
            rows, places, numbers, looked, end, end_id, more = reply
            jobs = (read_job(self._prefix, queue, row) for row in rows)
            marks = (f"{place}/{row[0]}" for place, row in zip(places, rows, strict=True))
            return Lines(list(zip(jobs, marks, numbers, strict=True)), looked, f"{end}/{end_id}", bool(more))

        return await search(wanted, limit, after, (await self.info(queue)).counts, read)

    async def failures(self, queue: str, limit: int) -> Mapping[int | str, int]:
        """See Store.failures."""
        key = f"{names_for(self._prefix, queue).base}failed"
        flat = await self._client().call("ZREVRANGE", key, 0, limit - 1, "WITHSCORES")
        return {job_id: int(float(at)) for job_id, at in zip(flat[::2], flat[1::2], strict=True)}

    async def reasons(self, queue: str, marks: Sequence[int | str]) -> Mapping[int | str, Reason]:
        """See Store.reasons."""
        rows = await self._script("reasons", queue, marks)
        return {job_id: Reason(int(float(at)), job_id, name, reason) for job_id, at, name, reason in rows}

    async def info(self, queue: str) -> QueueInfo:
        """See Store.info."""
        return looking.info(await self._script("info", queue, ()), self._clock.now())

    async def priorities(self, queue: str) -> Mapping[int, int]:
        """See Store.priorities."""
        flat = await self._script("priorities", queue, ())
        return dict(zip(flat[::2], flat[1::2], strict=True))

    async def metrics(self, queue: str, since: int) -> Metrics:
        """See Store.metrics."""
        return looking.metrics(await self._script("metrics", queue, ()), since)

    async def workers(self) -> Sequence[LiveWorker]:
        """See Store.workers."""
        return await workers.live(self._client(), self._prefix, self._clock.now())

    async def server(self) -> ServerInfo:
        """See Store.server."""
        return await looking.server(self._client())

    async def queues(self) -> Sequence[str]:
        """See Store.queues. Those that only Node uses are found by a look at all keys."""
        return await looking.queues(self._client(), self._prefix)

    async def logs(self, queue: str, job_id: str) -> Sequence[str]:
        """See Store.logs."""
        return list(await self._client().call("LRANGE", f"{names_for(self._prefix, queue).base}{job_id}:logs", 0, -1))

    # -- control

    async def pause(self, queue: str, by: str, why: str) -> None:
        """See Store.pause."""
        await self._admit({queue})
        await self._script("pause", queue, (by, why))

    async def resume(self, queue: str) -> None:
        """See Store.resume."""
        await self._script("resume", queue, ())

    async def retry(self, queue: str, state: JobState, job_ids: Sequence[str] | None) -> Sequence[str]:
        """See Store.retry."""
        if state not in {JobState.COMPLETED, JobState.FAILED}:
            return []
        return list(await self._script("retry", queue, (state, *_chosen(job_ids))))

    async def set_limits(self, queue: str, limits: Limits) -> None:
        """See Store.set_limits."""
        rate = limits.rate
        arguments = (limits.concurrency or "", rate.n if rate else "", rate.milliseconds if rate else "")
        await self._admit({queue})
        await self._script("limits", queue, arguments)

    async def cancel(self, queue: str, job_id: str, by: str) -> JobState | None:
        """See Store.cancel. Raises HeldByNode for a job that one of Node's workers runs."""
        record = await self.get(queue, job_id)
        if record is None:
            return None
        keep = looking.kept(Policy.from_json(record.opts).keep_failed)
        answer = await self._script("cancel", queue, (job_id, by, *keep))
        if answer is None:
            return None
        state, worker = JobState(answer[0]), answer[1]
        if state is JobState.ACTIVE and not worker.startswith("toril:"):
            raise HeldByNode(job_id, worker)
        if record.schedule is not None and state not in {JobState.ACTIVE, JobState.COMPLETED, JobState.FAILED}:
            await self._schedules.advance(record)  # the schedule goes on
        return state

    async def limit_length(self, queue: str, max_length: int | None) -> None:
        """See Store.limit_length."""
        await self._admit({queue})
        bounds = f"{names_for(self._prefix, queue).own}bounds"
        if max_length is None:
            await self._client().call("HDEL", bounds, "length")
        else:
            await self._client().call("HSET", bounds, "length", max_length)

    async def dedup_owner(self, queue: str, key: str) -> str | None:
        """See Store.dedup_owner."""
        owner: str | None = await self._script("keyed", queue, (key, ""))
        return owner

    async def forget_dedup(self, queue: str, key: str) -> bool:
        """See Store.forget_dedup."""
        return await self._script("keyed", queue, (key, "1")) is not None

    async def promote(self, queue: str, job_ids: Sequence[str] | None) -> Sequence[str]:
        """See Store.promote."""
        return list(await self._script("promote", queue, _chosen(job_ids)))

    async def change(self, queue: str, job_id: str, due: int | None, priority: int | None, data: str | None) -> bool:
        """See Store.change."""
        arguments = (_shown(due), _shown(priority), "" if data is None else "1", data or "")
        return bool(await self._script("change", queue, (job_id, *arguments)))

    async def remove(self, queue: str, job_ids: Sequence[str], *, children: bool) -> Sequence[str]:
        """See Store.remove."""
        return list(await self._script("remove", queue, ("1" if children else "", *dict.fromkeys(job_ids))))

    async def remove_children(self, queue: str, job_id: str) -> int | None:
        """See Store.remove_children."""
        removed: int | None = await self._script("remove_children", queue, (job_id,))
        return removed

    async def detach(self, queue: str, job_id: str) -> bool | None:
        """See Store.detach."""
        detached = await self._script("detach", queue, (job_id,))
        return None if detached is None else bool(detached)

    async def clean(self, queue: str, state: JobState, before: int, limit: int, after: str | None) -> Cleaned:
        """See Store.clean."""
        ids, place, job_id = await self._script("clean", queue, (state, before, limit, *read_place(after)))
        return Cleaned(ids, f"{place}/{job_id}" if place else None)

    async def obliterate(self, queue: str, *, force: bool) -> int:
        """See Store.obliterate."""
        count, *more = await self._script("obliterate", queue, ("1" if force else "",))
        if count == -1:
            raise WrongState(f"queue {queue} is not paused: pause it first, so that nothing is taken meanwhile")
        if count == -2:  # noqa: PLR2004  (see the script)
            raise WrongState(f"queue {queue} has {more[0]} active jobs: wait for their end, or use force")
        if count == 0:
            await self._client().call("SREM", f"{self._prefix}::toril:queues", queue)
            self._known.discard(queue)
        return int(count)

    async def put_schedule(self, schedule: ScheduleRecord, *, immediately: bool) -> bool:
        """See Store.put_schedule."""
        await self._admit({schedule.queue})
        for queue in await self.queues():  # it may have been another queue's
            if queue != schedule.queue and await self._schedules.read(queue, schedule.id):
                await self._schedules.remove(queue, schedule.id)
        return await self._schedules.put(schedule, immediately=immediately)

    async def remove_schedule(self, schedule_id: str) -> bool:
        """See Store.remove_schedule."""
        removed = [await self._schedules.remove(queue, schedule_id) for queue in await self.queues()]
        return any(removed)

    async def schedules(self) -> Sequence[ScheduleInfo]:
        """See Store.schedules."""
        found = [info for queue in await self.queues() for info in await self._schedules.of(queue)]
        return sorted(found, key=lambda info: info.schedule.id)

    # -- events

    async def cursor(self, queue: str | None = None) -> str:
        """See Store.cursor."""
        queues = [queue] if queue is not None else await self.queues()
        return await listening.cursor(self._client(), self._prefix, queues)

    async def events(self, after: str, wait: float, queue: str | None = None) -> Heard:
        """See Store.events."""
        client = self._client()
        queues = [queue] if queue is not None else await self.queues()
        heard = await listening.hear(client, self._prefix, queues, after, self._clock.now())
        if not heard.events and wait > 0:
            await client.listen(listening.positions(self._prefix, queues, heard.mark), wait)
            heard = await listening.hear(client, self._prefix, queues, heard.mark, self._clock.now())
        return heard


def _chosen(job_ids: Sequence[str] | None) -> Sequence[str]:
    return ("1",) if job_ids is None else ("", *dict.fromkeys(job_ids))


def _shown(number: int | None) -> int | str:
    return "" if number is None else number
