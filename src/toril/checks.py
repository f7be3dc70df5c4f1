"""What a value given by the caller must be.

Each check takes the value's name and the value, and returns it in the form in which it is kept or raises InvalidOption.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from toril.clock import LONGEST
from toril.errors import InvalidOption

__all__ = ["LARGEST", "MILLISECOND", "epoch", "flag", "instance", "moment", "optional", "seconds", "span", "whole"]

MILLISECOND = 0.001  # seconds
LARGEST = 2**53 - 1
"""What every store and every reader of JSON can count to."""

Check = Callable[[str, object], Any]


def whole(low: int, high: int = LARGEST) -> Check:
    """Return the check for a whole number from `low` to `high`."""

    def check(name: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            plain = high == LARGEST and not (isinstance(value, int) and value > high)
            upper = "" if plain else f" to {high:,}"
            raise InvalidOption(f"{name}: expected a whole number from {low}{upper}, got {value!r}")
        return value

    return check


def optional(check: Check) -> Check:
    """Return a check that lets None pass as well."""
    return lambda name, value: None if value is None else check(name, value)


def instance(kind: type, shape: str) -> Check:
    """Return the check for an object of a class, whose making is `shape` in words."""

    def check(name: str, value: object) -> Any:
        if not isinstance(value, kind):
            raise InvalidOption(f"{name}: expected {shape}, got {value!r}")
        return value

    return check


def seconds(name: str, value: object, low: float = 0, high: float = LONGEST) -> float:
    """Check for seconds from `low` to `high`, or a timedelta; return seconds."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not low <= number <= high:
        raise InvalidOption(f"{name}: expected seconds ({low:g} to {high:,}) or a timedelta, got {value!r}")
    return float(number)


def span(name: str, value: object) -> float:
    """Check for a millisecond at least, as seconds or a timedelta; return seconds."""
    return seconds(name, value, MILLISECOND)


def moment(name: str, value: object) -> int:
    """Check for a datetime with a time zone; return epoch milliseconds."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidOption(f"{name}: expected a datetime with a time zone, got {value!r}")
    return epoch(value)


def epoch(when: datetime) -> int:
    """Return a moment as epoch milliseconds."""
    return round(when.timestamp() * 1000)


def flag(name: str, value: object) -> bool:
    """Check for True or False."""
    if not isinstance(value, bool):
        raise InvalidOption(f"{name}: expected True or False, got {value!r}")
    return value
