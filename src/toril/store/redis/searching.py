"""Finding jobs: state, time and id by key, the rest by looking at the newest jobs, as far as a budget reaches."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from toril.errors import InvalidOption
from toril.filter import Filter
from toril.job import JobRecord, JobState
from toril.store.searching import SECONDS, states_searched
from toril.store.views import Found

__all__ = ["LOOK", "Lines", "Window", "read_place", "search"]

LOOK, MOST = 250, 100  # jobs that one script looks at, and returns: it holds the server for a few milliseconds
_TIMED = {JobState.DELAYED, JobState.COMPLETED, JobState.FAILED}  # their score is a time
_PLACE = re.compile(r"(\d{1,19}(?:\.\d+)?|\d\.\d+e\+\d+)/(.+)", re.DOTALL)


class Window(NamedTuple):
    """Which jobs of a state are looked at: behind a place, between two times (epoch ms); None: no bound."""

    after: str | None = None
    since: int | None = None
    until: int | None = None


class Lines(NamedTuple):
    """Jobs that may match, each with its place and its number among those looked at; how many these were, the place of
    the last one, and whether there are more behind it.
    """

    jobs: Sequence[tuple[JobRecord, str, int]]
    looked: int
    end: str | None
    more: bool


def read_place(after: str | None) -> tuple[str, str]:
    """Return score (or place in line) and id of a mark; raise InvalidOption for what is none."""
    if after is None:
        return "", ""
    found = _PLACE.fullmatch(after)
    if found is None:
        raise InvalidOption(f"after: expected the mark of an earlier page, got {after!r}")
    return found[1], found[2]


async def search(
    wanted: Filter,
    limit: int,
    after: str | None,
    counts: Mapping[JobState, int],
    read: Callable[[JobState, int, Window], Awaitable[Lines]],
) -> Found:
    """Return a page of the jobs that match; `read` looks through a state for so many, the newest first."""
    states = states_searched(wanted)
    total = sum(counts[state] for state in states)
    state, place, looked = _read_mark(after, states)
    found: list[JobRecord] = []
    give_up = time.monotonic() + SECONDS
    most = min(limit, MOST)  # of the first reading: often all that it returns matches
    for here in states[states.index(state) :]:
        more = True
        while more:
            lines = await read(here, most, _window(wanted, here, place))
            most = MOST
            more, place, seen = lines.more, lines.end, lines.looked
            for job, its_place, number in lines.jobs:
                if wanted.matches(job):
                    found.append(job)
                if len(found) == limit:
                    more, place, seen = more or number < seen, its_place, number
                    break
            looked += seen
            if more and (len(found) == limit or time.monotonic() >= give_up):
                return Found(found, f"{here}|{looked}|{place}", looked, max(total, looked))
        place = None
        if len(found) == limit and here is not states[-1]:
            following = states[states.index(here) + 1]
            return Found(found, f"{following}|{looked}|", looked, max(total, looked))
    return Found(found, None, looked, max(total, looked))


def _window(wanted: Filter, state: JobState, place: str | None) -> Window:
    return Window(place, wanted.since, wanted.until) if state in _TIMED else Window(place)


def _read_mark(after: str | None, states: Sequence[JobState]) -> tuple[JobState, str | None, int]:
    """Return the state and place at which a page begins, and how many jobs were looked at before."""
    if after is None:
        return states[0], None, 0
    state, _, rest = after.partition("|")
    looked, _, place = rest.partition("|")
    if state not in states or not looked.isdecimal() or (place and not _PLACE.fullmatch(place)):
        raise InvalidOption(f"after: expected the mark of an earlier page of this search, got {after!r}")
    return JobState(state), place or None, int(looked)
