"""What can be looked at in Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from toril.filter import Filter
from toril.finding import Finding
from toril.job import ChildRecord, JobRecord, JobState
from toril.store.redis import listening, looking, workers
from toril.store.redis.connections import Connections
from toril.store.redis.examining import examine, foreign_workers
from toril.store.redis.keys import names_for
from toril.store.redis.records import read_job
from toril.store.redis.searching import LOOK, Lines, Window, read_place, search
from toril.store.views import Found, Heard, LiveWorker, Metrics, Page, QueueInfo, Reason, ScheduleInfo, ServerInfo

__all__ = ["Views"]


class Views(Connections):
    """The verbs that change nothing."""

    async def get(self, queue: str, job_id: str) -> JobRecord | None:
        """See Store.get."""
        found = await self._script("get", queue, (job_id,))
        return None if found is None else read_job(self._prefix, queue, found)

    async def children(self, queue: str, job_id: str) -> Sequence[ChildRecord]:
        """See Store.children."""
        rows: dict[str, Sequence[Any]] = {}  # by their keys
        part, cursor = 1, "0"
        while part:
            more, part, cursor = await self._script("children", queue, (job_id, part, cursor))
            rows |= {row[0]: row for row in more}
        return looking.children(self._prefix, list(rows.values()))

    async def list(
        self, queue: str, state: JobState, limit: int, after: str | None, *, newest: bool, offset: int = 0
    ) -> Page:
        """See Store.list."""
        arguments = (state, limit, "1" if newest else "", offset, *read_place(after))
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
        found: dict[int, int] = {}
        first: int | str = 0
        while first != "":
            flat, first = await self._script("priorities", queue, (first,))
            found |= zip(flat[::2], flat[1::2], strict=True)
        return found

    async def metrics(self, queue: str, since: int) -> Metrics:
        """See Store.metrics."""
        return looking.metrics(await self._script("metrics", queue, (since // looking.MINUTE,)), since)

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

    async def schedules(self, schedule_id: str | None = None) -> Sequence[ScheduleInfo]:
        """See Store.schedules."""
        found = [info for queue in await self.queues() for info in await self._schedules.of(queue, schedule_id)]
        return sorted(found, key=lambda info: (info.schedule.id, info.schedule.queue))

    async def examine(self) -> Sequence[Finding]:
        """See Store.examine."""
        return await examine(self._client(), self._address)

    async def strangers(self, queue: str) -> Finding | None:
        """See Store.strangers."""
        return await foreign_workers(self._client(), self._prefix, queue)

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
