"""How much of a queue may run at once, and how fast, whatever the number of workers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from toril.checks import MILLISECOND, instance, optional, seconds, whole

__all__ = ["Limits", "Rate"]

_LONGEST = 366 * 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `n` jobs are started `per` seconds (or a timedelta), counted from the first one of each window."""

    n: int
    per: float | timedelta = 1.0

    def __post_init__(self) -> None:
        whole(1)("rate n", self.n)
        object.__setattr__(self, "per", seconds("rate per", self.per, MILLISECOND, _LONGEST))

    @property
    def milliseconds(self) -> int:
        """The length of a window."""
        assert isinstance(self.per, float)
        return round(self.per * 1000)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a queue is limited to; None: not at all. `concurrency` counts the active jobs of all workers."""

    concurrency: int | None = None
    rate: Rate | None = None

    def __post_init__(self) -> None:
        optional(whole(1))("concurrency", self.concurrency)
        optional(instance(Rate, "Rate(n, per=seconds)"))("rate", self.rate)
