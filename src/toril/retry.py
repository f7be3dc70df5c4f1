"""When a failed job runs again: fixed, exponential, jittered or your own."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from toril.clock import LONGEST
from toril.errors import InvalidOption
from toril.lasting import lasting

__all__ = [
    "Backoff",
    "Exponential",
    "Fixed",
    "OwnBackoff",
    "backoff_from_json",
    "backoff_to_json",
    "delay_after",
    "own_delay",
    "run_times",
]

OwnBackoff = Callable[[int], float | None]
"""Your own rule: given the number of the attempt that failed (1, 2, …) it returns seconds, or None to stop."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Wait `seconds` before each retry; `jitter` (0 to 1) takes away up to that share of it at random."""

    seconds: float
    jitter: float = 0.0

    def __post_init__(self) -> None:
        _check(self.seconds, self.jitter)

    def after(self, attempt: int) -> float:
        """Return the seconds to wait after attempt number `attempt` failed, before jitter."""
        del attempt
        return self.seconds

    def __str__(self) -> str:
        return f"fixed {lasting(self.seconds)}{_jitter(self.jitter)}"


@dataclass(frozen=True, slots=True)
class Exponential:
    """Wait `seconds`, then twice that, four times…, at most `maximum` seconds; `jitter` as in Fixed.

    The doubling is BullMQ's: `seconds * 2 ** (attempt - 1)`.
    """

    seconds: float
    jitter: float = 0.0
    maximum: float | None = None

    def __post_init__(self) -> None:
        _check(self.seconds, self.jitter)
        if self.maximum is not None:
            _check_seconds("maximum", self.maximum)
            if self.maximum < self.seconds:
                raise InvalidOption(f"backoff maximum: expected at least {self.seconds:g} seconds, got {self.maximum}")

    def after(self, attempt: int) -> float:
        """Return the seconds to wait after attempt number `attempt` failed, before jitter."""
        seconds: float = self.seconds * 2.0 ** min(attempt - 1, 60)
        return min(seconds, LONGEST if self.maximum is None else self.maximum)

    def __str__(self) -> str:
        cap = "" if self.maximum is None else f" up to {lasting(self.maximum)}"
        return f"exponential {lasting(self.seconds)}{cap}{_jitter(self.jitter)}"


Backoff = Fixed | Exponential


def delay_after(backoff: Backoff, attempt: int) -> float:
    """Return the seconds to wait after attempt number `attempt`, jitter applied."""
    seconds = backoff.after(attempt)
    return seconds - seconds * backoff.jitter * random.random() if backoff.jitter else seconds


def own_delay(rule: OwnBackoff, attempt: int) -> float | None:
    """Return what a rule of your own says after attempt number `attempt`; raise InvalidOption if it is no answer."""
    seconds = rule(attempt)
    if seconds is not None:
        _check_seconds(getattr(rule, "__name__", "function"), seconds)
    return seconds


def run_times(attempts: int, backoff: Backoff | None) -> list[float]:
    """Return the seconds, counted from the first run, at which each attempt runs if every one fails at once."""
    times = [0.0]
    for attempt in range(1, attempts):
        times.append(times[-1] + (backoff.after(attempt) if backoff else 0.0))
    return times


def backoff_to_json(backoff: Backoff) -> dict[str, Any]:
    """Return BullMQ's form of a backoff (milliseconds); `maxDelay` is Toril's own, which Node ignores."""
    body: dict[str, Any] = {
        "type": "fixed" if isinstance(backoff, Fixed) else "exponential",
        "delay": round(backoff.seconds * 1000),
    }
    if backoff.jitter:
        body["jitter"] = backoff.jitter
    if isinstance(backoff, Exponential) and backoff.maximum is not None:
        body["maxDelay"] = round(backoff.maximum * 1000)
    return body


def backoff_from_json(body: float | dict[str, Any]) -> Backoff | Literal["task"]:
    """Read BullMQ's form of a backoff; `task` stands for a rule that only the task's own code knows."""
    if isinstance(body, (int, float)):
        return Fixed(min(body / 1000, LONGEST))
    jitter, seconds = body.get("jitter", 0.0), min(body.get("delay", 0) / 1000, LONGEST)
    match body.get("type"):
        case "fixed":
            return Fixed(seconds, jitter)
        case "exponential":
            return Exponential(seconds, jitter, body["maxDelay"] / 1000 if "maxDelay" in body else None)
    return "task"


def _check(seconds: float, jitter: float) -> None:
    _check_seconds("seconds", seconds)
    if isinstance(jitter, bool) or not isinstance(jitter, (int, float)) or not 0 <= jitter <= 1:
        raise InvalidOption(f"backoff jitter: expected a share between 0 and 1, got {jitter!r}")


def _check_seconds(what: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LONGEST:
        raise InvalidOption(f"backoff {what}: expected seconds (0 to {LONGEST:,}), got {value!r}")


def _jitter(jitter: float) -> str:
    return f", jitter {jitter:.0%}" if jitter else ""
