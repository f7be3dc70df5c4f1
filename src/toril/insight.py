"""What a queue tells of itself beyond its counts: throughput, failures in groups, when it will be empty."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toril.checks import optional, seconds, whole
from toril.errors import InvalidOption
from toril.fingerprint import Failures
from toril.forecast import WINDOW, Forecast, forecast
from toril.grouping import Grouping
from toril.job import JobState
from toril.store.views import Metrics, Minute
from toril.why import Why, explain

if TYPE_CHECKING:
    from toril.app import Toril
    from toril.handle import Job

__all__ = ["QueueInsight"]

MINUTE = 60_000  # milliseconds
WEEK = 7 * 24 * 60  # minutes
FRESH = 5.0  # seconds that groups are not computed again


class QueueInsight:
    """The part of a Queue that computes."""

    app: Toril
    name: str
    _grouping: Grouping | None = None
    _failures: tuple[float, Failures] | None = None

    async def counts_by_priority(self) -> Mapping[int, int]:
        """Return how many ready jobs there are of each priority that occurs; 0: those without one."""
        return await self.app.store.priorities(self.name)

    async def metrics(self, minutes: int = 60, *, each: int = 1) -> Metrics:
        """Return how many jobs ended in each of the last minutes (a week at most), oldest first.

        each: how many minutes one entry stands for; `minutes` is a multiple of it. The last entry holds the current
        minute, which goes on. Totals count from the queue's first job. Raises InvalidOption.
        """
        whole(1, WEEK)("minutes", minutes)
        if minutes % whole(1)("each", each):
            raise InvalidOption(f"each: expected a number of minutes that divides {minutes:,}, got {each}")
        length = each * MINUTE
        last = self.app.clock.now() // length * length
        first = last - (minutes // each - 1) * length
        found = await self.app.store.metrics(self.name, first)
        known = _summed(found.minutes, length)
        arrived = found.minutes[0].arrived if found.minutes else found.arrived
        every = []
        for at in range(first, last + 1, length):
            minute = known.get(at) or Minute(at, 0, 0, arrived)
            arrived = minute.arrived
            every.append(minute)
        return found._replace(minutes=every)

    async def forecast(self) -> Forecast:
        """Return how fast jobs arrived and ended in the last 10 minutes, and when the queue will so be empty."""
        now = self.app.clock.now()
        counts = (await self.app.store.info(self.name)).counts
        backlog = sum(counts[state] for state in (JobState.WAITING, JobState.PRIORITIZED, JobState.ACTIVE))
        return forecast(await self.app.store.metrics(self.name, now - WINDOW), backlog, now)

    async def failures(self, *, within: float | None = None) -> Failures:
        """Return the newest 10,000 failed jobs in groups of a kind: task, exception, message without its particulars.

        within: seconds after which an answer is given with what has been looked at so far (`looked`); the next one goes
        on from there. An answer that is whole is at most 5 seconds old. Raises InvalidOption.
        """
        within = optional(seconds)("within", within)
        now = self.app.clock.monotonic()
        if self._failures is None or now - self._failures[0] >= FRESH:
            found = await self._groups.look(within)
            self._failures = (now, found) if self._groups.is_whole else None
            return found
        return self._failures[1]

    async def retry_failures(self, fingerprint_id: str) -> int:
        """Let the failed jobs of one kind (`group.fingerprint.id`) run again, of the newest 10,000; return how many."""
        done = await self.app.queue(self.name).retry_many(await self._groups.ids(fingerprint_id))
        self._failures = None
        return len(done)

    async def why(self, jobs: Iterable[Job[Any]]) -> list[Why]:
        """Return of each job, as it was last read, why it is not running, or where it runs; see `Job.why`.

        The queue and its workers are looked at once for all.
        """
        app = self.app
        info, workers = await asyncio.gather(app.store.info(self.name), app.store.workers())
        records, now = [job.record for job in jobs], app.clock.now()
        waiting = [record.id for record in records if record.state is JobState.WAITING_CHILDREN]
        families = await asyncio.gather(*(app.store.children(self.name, job_id) for job_id in waiting))
        children = dict(zip(waiting, families, strict=True))
        return [explain(record, info, workers, children.get(record.id, ()), now) for record in records]

    @property
    def _groups(self) -> Grouping:
        if self._grouping is None:
            self._grouping = Grouping(self.app.store, self.name)
        return self._grouping


def _summed(minutes: Sequence[Minute], length: int) -> dict[int, Minute]:
    """Return minutes, oldest first, put together into spans of `length` milliseconds, by their start."""
    spans: dict[int, Minute] = {}
    for minute in minutes:
        at = minute.at // length * length
        known = spans.get(at)
        spans[at] = (
            known._replace(completed=known.completed + minute.completed, failed=known.failed + minute.failed)
            if known
            else minute._replace(at=at)
        )
    return spans
