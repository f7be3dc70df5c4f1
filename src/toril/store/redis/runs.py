"""The way of jobs in Redis: added, taken by workers, recorded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from toril.errors import StoreUnavailable, WrongState
from toril.job import NewJob, Node, expiry_reason
from toril.log import STORE_PHANTOM
from toril.options import Policy
from toril.store.redis import looking, workers
from toril.store.redis.adding import add_arguments, ids_or_error
from toril.store.redis.client import LIMIT
from toril.store.redis.ears import SAFETY
from toril.store.redis.keys import names_for
from toril.store.redis.planting import flow_arguments, planted
from toril.store.redis.scripts import script
from toril.store.redis.stepping import step_arguments, step_of
from toril.store.redis.views import Views
from toril.store.runs import Awaiting, Extended, Failed, Note, Outcome, Released, Run, Step
from toril.store.views import WorkerInfo

__all__ = ["Runs"]


class Runs(Views):
    """The verbs of those who add jobs, and of workers: the hot path."""

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
            STORE_PHANTOM(job=phantom, queue=queue)
        for record in step.taken if any("rjk" in job[2] for job in reply[1]) else ():
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

    async def wait(self, queue: str, worker: str, until: int | None) -> None:  # noqa: ARG002  (one marker for all)
        """See Store.wait."""
        seconds = SAFETY if until is None else min((until - self._clock.now()) / 1000, SAFETY)
        await self._ears().wait(queue, seconds)

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
