"""How many ended jobs stay, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from toril.checks import seconds, whole
from toril.clock import LONGEST
from toril.errors import InvalidOption

__all__ = ["KEEP_COMPLETED", "KEEP_FAILED", "Keep", "check_keep", "keep_from_json", "keep_to_json"]

DAY = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Keep:
    """How many finished jobs to keep, and for how long (`age`, seconds); None: without bound."""

    count: int | None = None
    age: float | None = None


KEEP_COMPLETED = Keep(1_000, DAY)
KEEP_FAILED = Keep(5_000, 7 * DAY)


def check_keep(name: str, value: object) -> Keep:
    """Check for a count, an age or both; raise InvalidOption."""
    if isinstance(value, Keep):
        age = None if value.age is None else seconds(f"{name}.age", value.age)
        return Keep(None if value.count is None else whole(0)(f"{name}.count", value.count), age)
    if isinstance(value, timedelta):
        return Keep(age=seconds(name, value))
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Keep(count=value)
    raise InvalidOption(f"{name}: expected a count (0 or more), a timedelta or Keep(count, age), got {value!r}")


def keep_to_json(keep: Keep) -> Any:
    """Return BullMQ's form of it (`removeOnComplete`, `removeOnFail`)."""
    if keep.count is None and keep.age is None:
        return False
    body: dict[str, Any] = {}
    if keep.age is not None:
        body["age"] = round(keep.age)
    if keep.count is not None:
        body["count"] = keep.count
    return True if keep.count == 0 else body


def keep_from_json(value: Any) -> Keep:
    """Read BullMQ's form of it; raise ValueError."""
    match value:
        case None | False:
            return Keep()
        case True:
            return Keep(0)
        case int() | float():
            return Keep(_count_from_json(value))
        case dict():
            age = value.get("age")
            return Keep(_count_from_json(value.get("count")), None if age is None else min(float(age), LONGEST))
    raise ValueError(f"retention: expected a flag, a count or an object, got {value!r}")


def _count_from_json(value: Any) -> int | None:
    """A negative count is BullMQ's way to keep all."""
    return None if value is None or value < 0 else int(value)
