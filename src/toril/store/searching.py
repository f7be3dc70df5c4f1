"""How far one page of a search looks, and in which order: the same on every store."""

from __future__ import annotations

from toril.filter import Filter
from toril.job import JobState

__all__ = ["BUDGET", "SECONDS", "states_searched"]

BUDGET, SECONDS = 10_000, 0.06  # jobs and time that one page may look at
_ORDER = (  # what is looked for most often first
    JobState.FAILED,
    JobState.ACTIVE,
    JobState.DELAYED,
    JobState.PRIORITIZED,
    JobState.WAITING,
    JobState.WAITING_CHILDREN,
    JobState.COMPLETED,
)


def states_searched(wanted: Filter) -> list[JobState]:
    """Return the states whose jobs are looked at, one after the other: those named, else all."""
    return [state for state in _ORDER if not wanted.states or state in wanted.states]
