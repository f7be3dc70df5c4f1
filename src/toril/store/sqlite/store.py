"""The Store seam on one SQLite file."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from toril.clock import Clock
from toril.filter import Filter
from toril.finding import Finding
from toril.job import ChildRecord, JobRecord, JobState, NewJob, Node
from toril.limits import Limits
from toril.store.runs import Extended, Note, Outcome, Run, Step
from toril.store.sqlite import (
    adding,
    cancelling,
    changing,
    control,
    deduplication,
    expiring,
    family,
    leases,
    limiting,
    listening,
    metrics,
    planting,
    removing,
    scheduling,
    searching,
    stepping,
)
from toril.store.sqlite.belfry import EVENTS, Belfry
from toril.store.sqlite.bells import Bells, wait_for
from toril.store.sqlite.checkpoint import Checkpointer
from toril.store.sqlite.file import DatabaseFile, Synchronous
from toril.store.sqlite.reading import Reader
from toril.store.sqlite.writer import Writer
from toril.store.views import (
    Cleaned,
    Found,
    Heard,
    LiveWorker,
    Metrics,
    Page,
    QueueInfo,
    Reason,
    ScheduleInfo,
    ScheduleRecord,
    ServerInfo,
    WorkerInfo,
)

__all__ = ["SqliteStore"]

T = TypeVar("T")
SAFETY = 5.0  # seconds after which a lane looks without having been called (BullMQ's drainDelay)
BULK = 1_000  # jobs that a verb without ids may touch


class SqliteStore:
    """Jobs in one SQLite file. Nothing is opened before the first use; a forked child opens its own."""

    remote = False
    largest = None
    limit = 1.0  # seconds that a caller waits for the store; workers wait as long as it takes

    def __init__(self, url: str, clock: Clock, synchronous: Synchronous = "NORMAL") -> None:
        self._file = DatabaseFile(url, synchronous)
        self._clock = clock
        self._boot = leases.boot_id()
        self._opening = threading.Lock()
        self._workers: dict[str, WorkerInfo] = {}
        self._parts: tuple[Writer, Reader | None, Checkpointer | None] | None = None
        self._belfry = Belfry(self._file)

    def forget(self) -> None:
        """Drop what a parent process had opened: its threads do not live here, and its links were closed."""
        if self._parts is not None:
            self._parts[0].forget()
        self._parts = None
        self._belfry.forget()
        self._opening = threading.Lock()

    # -- life

    async def open(self) -> None:
        """Make the file ready; raise StoreRefused if it must not be used."""
        self._open()

    async def examine(self) -> Sequence[Finding]:
        """See Store.examine."""
        return [Finding("store", "ok", f"SQLite {sqlite3.sqlite_version}, synchronous={self._file.synchronous}")]

    async def strangers(self, queue: str) -> Finding | None:  # noqa: ARG002
        """See Store.strangers."""
        return None

    async def close(self) -> None:
        """Commit what waits, end the threads, let go of the file."""
        self._belfry.close()
        with self._opening:
            parts, self._parts = self._parts, None
        for part in parts or ():
            if part is not None:
                await asyncio.get_running_loop().run_in_executor(None, part.close)
        self._file.release()

    def _open(self) -> tuple[Writer, Reader | None, Checkpointer | None]:
        with self._opening:
            if self._parts is None:
                self._file.prepare()
                reader = checkpointer = None
                writer = Writer(self._file, self._clock, gathered=adding.add, ring=self._belfry.ring)
                if not self._file.memory:
                    reader, checkpointer = Reader(self._file, self._clock), Checkpointer(self._file)
                self._parts = (writer, reader, checkpointer)
            return self._parts

    async def _write(self, verb: Callable[..., T], *arguments: object, patient: bool = False, weight: int = 1) -> T:
        writer = (self._parts or self._open())[0]
        return await writer.call(verb, *arguments, limit=None if patient else self.limit, weight=weight)

    async def _look(self, verb: Callable[..., T], *arguments: object) -> T:
        writer, reader, _ = self._parts or self._open()
        if reader is None:  # a database in memory has one connection
            return await writer.call(verb, *arguments, limit=self.limit)
        return await reader.call(verb, *arguments)

    # -- the hot path

    async def add(self, jobs: Sequence[NewJob]) -> list[str]:
        """See Store.add."""
        return await self._write(adding.add, jobs, weight=len(jobs))

    async def add_flow(self, nodes: Sequence[Node], parent: tuple[str, Run] | None) -> list[str]:
        """See Store.add_flow."""
        return await self._write(planting.add_flow, nodes, parent, weight=len(nodes))

    async def step(
        self, queue: str, worker: str, outcomes: Sequence[Outcome], notes: Sequence[Note], want: int
    ) -> Step:
        """See Store.step. A reply cannot get lost within a process."""
        self._bells().lane(queue, worker).clear()
        weight = (
            len(outcomes) + sum(len(note.lines) for note in notes) + want // 4
        )  # what it will take is not known: most often little
        return await self._write(stepping.step, queue, worker, outcomes, notes, want, patient=True, weight=weight)

    async def extend(self, worker: str, runs: Sequence[Run]) -> Extended:
        """See Store.extend."""
        info = self._workers[worker]
        return await self._write(leases.extend, worker, info, self._boot, runs, patient=True)

    async def rescue(self, queue: str) -> Sequence[str]:
        """See Store.rescue."""
        return await self._write(stepping.rescue, queue, self._boot, self._clock.monotonic(), patient=True)

    async def expire(self, queue: str) -> Sequence[str]:
        """See Store.expire."""
        ids: list[str] = []
        while await self._look(expiring.due, queue):  # most often nothing is: then nobody's turn to write is taken
            ids += await self._write(expiring.expire, queue, patient=True, weight=1_000)
        return ids

    async def wait(self, queue: str, worker: str, until: int | None) -> None:
        """See Store.wait."""
        seconds = SAFETY if until is None else min((until - self._clock.now()) / 1000, SAFETY)
        bells = self._bells()
        await self._hang(bells, queue)
        await wait_for(bells.lane(queue, worker), max(seconds, 0.0))

    # -- workers

    async def enrol(self, worker: WorkerInfo) -> str:
        """See Store.enrol."""
        number = await self._write(leases.enrol, worker, self._boot, patient=True)
        self._workers[number] = worker
        return number

    async def leave(self, worker: str) -> None:
        """See Store.leave."""
        del self._workers[worker]
        self._belfry.bells().leave(worker)
        await self._write(leases.leave, worker)

    # -- looking

    async def get(self, queue: str, job_id: str) -> JobRecord | None:
        """See Store.get."""
        return await self._look(control.get, queue, job_id)

    async def children(self, queue: str, job_id: str) -> Sequence[ChildRecord]:
        """See Store.children."""
        return await self._look(family.children, queue, job_id)

    async def list(
        self, queue: str, state: JobState, limit: int, after: str | None, *, newest: bool, offset: int = 0
    ) -> Page:
        """See Store.list."""
        return await self._look(control.list_jobs, queue, state, limit, after, newest, offset)

    async def search(self, queue: str, wanted: Filter, limit: int, after: str | None) -> Found:
        """See Store.search."""
        return await self._look(searching.search, queue, wanted, limit, after)

    async def failures(self, queue: str, limit: int) -> Mapping[int | str, int]:
        """See Store.failures."""
        return await self._look(control.failures, queue, limit)

    async def reasons(self, queue: str, marks: Sequence[int | str]) -> Mapping[int | str, Reason]:  # noqa: ARG002
        """See Store.reasons."""
        return await self._look(control.reasons, marks)

    async def info(self, queue: str) -> QueueInfo:
        """See Store.info."""
        return await self._look(control.info, queue)

    async def priorities(self, queue: str) -> Mapping[int, int]:
        """See Store.priorities."""
        return await self._look(control.priorities, queue)

    async def metrics(self, queue: str, since: int) -> Metrics:
        """See Store.metrics."""
        return await self._look(metrics.read, queue, since)

    async def workers(self) -> Sequence[LiveWorker]:
        """See Store.workers."""
        return await self._look(leases.live, self._boot)

    async def server(self) -> ServerInfo:
        """See Store.server."""
        size = await self._look(control.size)
        persistence = "none" if self._file.memory else f"a file, synchronous={self._file.synchronous}"
        return ServerInfo("sqlite", sqlite3.sqlite_version, persistence=persistence, size=size)

    async def queues(self) -> Sequence[str]:
        """See Store.queues."""
        return await self._look(control.queues)

    async def logs(self, queue: str, job_id: str) -> Sequence[str]:
        """See Store.logs."""
        return await self._look(control.logs, queue, job_id)

    # -- control

    async def pause(self, queue: str, by: str, why: str) -> None:
        """See Store.pause."""
        await self._write(control.pause, queue, by, why)

    async def resume(self, queue: str) -> None:
        """See Store.resume."""
        await self._write(control.resume, queue)

    async def retry(self, queue: str, state: JobState, job_ids: Sequence[str] | None) -> Sequence[str]:
        """See Store.retry."""
        return await self._write(control.retry, queue, state, job_ids)

    async def set_limits(self, queue: str, limits: Limits) -> None:
        """See Store.set_limits."""
        await self._write(limiting.set_limits, queue, limits)

    async def cancel(self, queue: str, job_id: str, by: str) -> JobState | None:
        """See Store.cancel."""
        return await self._write(cancelling.cancel, queue, job_id, by)

    async def limit_length(self, queue: str, max_length: int | None) -> None:
        """See Store.limit_length."""
        await self._write(control.limit_length, queue, max_length)

    async def dedup_owner(self, queue: str, key: str) -> str | None:
        """See Store.dedup_owner."""
        return await self._look(deduplication.owner, queue, key)

    async def forget_dedup(self, queue: str, key: str) -> bool:
        """See Store.forget_dedup."""
        return await self._write(deduplication.forget, queue, key)

    async def promote(self, queue: str, job_ids: Sequence[str] | None) -> Sequence[str]:
        """See Store.promote."""
        return await self._write(changing.promote, queue, job_ids, weight=_weight(job_ids))

    async def change(self, queue: str, job_id: str, due: int | None, priority: int | None, data: str | None) -> bool:
        """See Store.change."""
        return await self._write(changing.change, queue, job_id, due, priority, data)

    async def remove(self, queue: str, job_ids: Sequence[str], *, children: bool) -> Sequence[str]:
        """See Store.remove."""
        return await self._write(removing.remove, queue, job_ids, children, self._boot, weight=_weight(job_ids))

    async def remove_children(self, queue: str, job_id: str) -> int | None:
        """See Store.remove_children."""
        return await self._write(removing.remove_children, queue, job_id, self._boot)

    async def detach(self, queue: str, job_id: str) -> bool | None:
        """See Store.detach."""
        return await self._write(family.detach, queue, job_id)

    async def clean(self, queue: str, state: JobState, before: int, limit: int, after: str | None) -> Cleaned:
        """See Store.clean."""
        return await self._write(removing.clean, queue, state, before, limit, after, weight=BULK)

    async def obliterate(self, queue: str, *, force: bool) -> int:
        """See Store.obliterate."""
        return await self._write(removing.obliterate, queue, force, weight=BULK)

    async def put_schedule(self, schedule: ScheduleRecord, *, immediately: bool) -> bool:
        """See Store.put_schedule."""
        return await self._write(scheduling.put_schedule, schedule, immediately)

    async def remove_schedule(self, queue: str, schedule_id: str) -> bool:
        """See Store.remove_schedule."""
        return await self._write(scheduling.remove_schedule, queue, schedule_id)

    async def schedules(self, schedule_id: str | None = None) -> Sequence[ScheduleInfo]:
        """See Store.schedules."""
        return await self._look(scheduling.schedules, schedule_id)

    # -- events

    async def cursor(self, queue: str | None = None) -> str:  # noqa: ARG002  (one line tells of all)
        """See Store.cursor."""
        return await self._look(listening.cursor)

    async def events(self, after: str, wait: float, queue: str | None = None) -> Heard:
        """See Store.events."""
        bells = self._bells()
        await self._hang(bells, EVENTS)
        with bells.own(EVENTS) as bell:
            heard = await self._look(listening.read, after, queue)
            if not heard.events and heard.mark == after and wait > 0:
                await wait_for(bell, wait)
                heard = await self._look(listening.read, after, queue)
        return heard

    # -- bells

    def _bells(self) -> Bells:
        self._parts or self._open()
        return self._belfry.bells()

    async def _hang(self, bells: Bells, topic: str) -> None:
        """Let other processes know that this one waits for a topic, once."""
        if topic not in bells.hung and bells.path is not None:
            await self._write(listening.hang_bell, bells.path, topic if topic != EVENTS else None)
            bells.hung.add(topic)


def _weight(job_ids: Sequence[str] | None) -> int:
    return BULK if job_ids is None else len(job_ids)
