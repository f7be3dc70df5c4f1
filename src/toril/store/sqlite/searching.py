"""Finding jobs: state, time and id by the index, the rest by looking at the newest jobs, as far as a budget reaches."""

from __future__ import annotations

import time
from collections.abc import Iterable

from toril.errors import InvalidOption
from toril.filter import Filter
from toril.job import JobRecord, JobState
from toril.store.searching import SECONDS, states_searched
from toril.store.sqlite.control import JOB_COLUMNS, LAST, STATES, get, numbers, record
from toril.store.sqlite.queries import SQL
from toril.store.sqlite.transaction import Row, Transaction
from toril.store.views import Found

__all__ = ["search"]

PAGE = 1_000  # jobs of one statement
_TIMED = {JobState.DELAYED, JobState.ACTIVE, JobState.COMPLETED, JobState.FAILED}  # their rank is a time
_MATCHING = f"{JOB_COLUMNS} {SQL['that_may_match']}"

Place = tuple[int, int]  # (rank, id)


def search(tx: Transaction, name: str, wanted: Filter, limit: int, after: str | None) -> Found:
    """Return a page of the jobs that match."""
    queue = tx.find_queue(name)
    if queue is None:
        return Found([], None, 0, 0)
    if wanted.id is not None:
        job = get(tx, name, wanted.id)
        return Found([job] if job and wanted.matches(job) else [], None, 1, 1)
    states = states_searched(wanted)
    counts = tx.rows("read_queue", queue=queue)[0]
    total = sum(counts[STATES.index(state)] for state in states)
    first, start, looked = _read_mark(after, states)
    scan = _Scan(tx, queue, wanted, limit)
    give_up = time.monotonic() + SECONDS
    for state in states[states.index(first) :]:
        place: Place | None = start
        while place is not None and (place := scan.page(state, place)):
            if scan.room == 0 or time.monotonic() >= give_up:
                looked += scan.looked
                return Found(scan.found, f"{state}.{place[0]}.{place[1]}.{looked}", looked, max(total, looked))
        start = LAST
    looked += scan.looked
    return Found(scan.found, None, looked, max(total, looked))


class _Scan:
    """What one page of a search has found, and how far it looked."""

    def __init__(self, tx: Transaction, queue: int, wanted: Filter, limit: int) -> None:
        self._tx = tx
        self._queue = queue
        self._wanted = wanted
        self._limit = limit
        self._told = {**wanted.hints._asdict(), "name": _glob(wanted.name or "*")}
        self.found: list[JobRecord] = []
        self.looked = 0

    @property
    def room(self) -> int:
        """How many more jobs fit on the page."""
        return self._limit - len(self.found)

    def page(self, state: JobState, start: Place) -> Place | None:
        """Look at the next jobs of a state; return where to go on, None if it has no more."""
        since, until = self._bounds(state)
        rank, row = min(start, (until, -LAST[1]))
        here = {"queue": self._queue, "state": STATES.index(state), "rank": rank, "row": row, "since": since}
        ends: list[Place] = self._tx.rows("page_end", **here, page=PAGE - 1)
        last = ends[0] if ends else (since, -LAST[1])
        end = {"last": last[0], "last_row": last[1]}
        full = self._keep(self._tx.execute(_MATCHING, here | end | self._told))
        if full:
            last = full
            end = {"last": last[0], "last_row": last[1]}
        self.looked += self._tx.rows("count_between", **here, **end)[0][0]
        return last if full or ends else None

    def _bounds(self, state: JobState) -> tuple[int, int]:
        """Return the ranks within which a state's jobs can match: times, where the rank is one."""
        since, until = (self._wanted.since, self._wanted.until) if state in _TIMED else (None, None)
        return -LAST[0] if since is None else since, LAST[0] if until is None else until

    def _keep(self, rows: Iterable[Row]) -> Place | None:
        """Keep what matches; return the place of the last one if the page is full then."""
        for row in rows:
            job = record(row)
            if self._wanted.matches(job):
                self.found.append(job)
                if not self.room:
                    return row[-1], row[-2]
        return None


def _read_mark(after: str | None, states: list[JobState]) -> tuple[JobState, Place, int]:
    """Return the state and place at which a page begins, and how many jobs were looked at before."""
    if after is None:
        return states[0], LAST, 0
    state, _, rest = after.partition(".")
    found = numbers(rest)
    if len(found) != 3 or state not in states:  # noqa: PLR2004
        raise InvalidOption(f"after: expected the mark of an earlier page of this search, got {after!r}")
    return JobState(state), (found[0], found[1]), found[2]


def _glob(pattern: str) -> str:
    """Return a name with `*` in it as SQLite's GLOB reads it, in which more characters are special."""
    return pattern.replace("[", "[[]").replace("?", "[?]")
