"""The clock that an application's SQLite store reads; tests move one of their own."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

LONGEST = 100 * 365 * 86_400
"""Seconds that any delay, interval or age may last: more is a mistake, and soon a number that no store can hold."""


_FIRST, _LAST = -62_135_510_400_000, 253_402_214_400_000  # days of the years 1 and 9999 that every zone has


def utc(milliseconds: int) -> datetime:
    """Return epoch milliseconds as a datetime; what Node has put beyond the calendar is its first or last day."""
    return datetime.fromtimestamp(max(_FIRST, min(milliseconds, _LAST)) / 1000, UTC)


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> int:
        """Return wall time in epoch milliseconds: due times, timestamps."""

    def monotonic(self) -> float:
        """Return seconds of a clock that never jumps and that all processes of one boot share: leases."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> int:
        """Return wall time in epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return CLOCK_MONOTONIC in seconds."""
        return time.monotonic()


class ManualClock:
    """A clock that stands still until `advance` moves it."""

    def __init__(self, now: int = 1_800_000_000_000) -> None:
        self._now = now
        self._monotonic = 1_000.0

    def now(self) -> int:
        """Return the moved wall time in epoch milliseconds."""
        return self._now

    def monotonic(self) -> float:
        """Return the moved monotonic time in seconds."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move both clocks forward by `seconds`."""
        self._now += round(seconds * 1000)
        self._monotonic += seconds
