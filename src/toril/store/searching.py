"""How far one page of a search looks, and in which order: the same on every store."""

from __future__ import annotations

from toril.filter import Filter
from toril.job import JobState

__all__ = ["SECONDS", "states_searched"]

SECONDS = 0.03  # that one page may look, so that it is shown within 0.1 s
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
