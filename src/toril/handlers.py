"""What an application wants to be told of its jobs, in the worker that runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

from toril.errors import ConfigurationError
from toril.job import JobRecord

__all__ = ["Handler", "Handlers", "JobEvent", "Kind"]

Kind = Literal["failed", "attempt_failed", "completed", "progress", "stalled"]


class JobEvent(NamedTuple):
    """Something that a worker has recorded of a job."""

    kind: Kind
    job: JobRecord
    """The job's row as it was taken; of a stalled one as it is now."""
    reason: str | None = None
    """failed, attempt_failed: why."""
    result: Any = None
    """completed: what the task returned, as plain JSON values."""
    progress: Any = None
    """progress: what was reported last."""
    retry_at: int | None = None
    """attempt_failed: when it runs again, in epoch milliseconds; 0: at once."""


Handler = Callable[[JobEvent], Any]


class Handlers:
    """The handlers of an application, by kind; those of one task alone stand with the task."""

    def __init__(self) -> None:
        self.by_kind: dict[Kind, list[Handler]] = {}

    def add(self, kind: Kind, handler: Handler) -> None:
        """Have `handler` called with each event of a kind; raise ConfigurationError for one that there is not."""
        if kind not in get_args(Kind):
            raise ConfigurationError(f"on({kind!r}): expected one of {', '.join(get_args(Kind))}")
        self.by_kind.setdefault(kind, []).append(handler)
