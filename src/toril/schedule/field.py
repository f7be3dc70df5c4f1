"""One field of a cron line: text in, numbers out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from toril.errors import InvalidSchedule

_ITEM = re.compile(r"(?:[*?]|(?P<first>\w{1,9})(?:-(?P<last>\w{1,9}))?)(?:/(?P<step>\d{1,9}))?", re.ASCII)


def _named(names: str, first: int) -> dict[str, int]:
    return {name: number for number, name in enumerate(names.split(), first)}


@dataclass(frozen=True, slots=True)
class Field:
    """What one field of a cron line may hold."""

    name: str
    low: int
    high: int
    expected: str
    names: Mapping[str, int]
    modulus: int

    def numbers(self, items: Iterable[str]) -> frozenset[int]:
        """Return the numbers that items such as `7`, `5-20/3`, `10/5` and `*/2` name together.

        Raises InvalidSchedule for an item that cannot be read and for a number that is named twice, which a
        Node worker that shares the schedule would refuse.
        """
        found: set[int] = set()
        for item in items:
            numbers = self._item(item)
            if found & numbers:
                raise self.error(item, "each value once")
            found |= numbers
        return frozenset(found)

    def error(self, item: str, expected: str | None = None) -> InvalidSchedule:
        """Return the error that says what `item` should have been."""
        if re.match(r"H(?![A-Za-z])", item):
            expected = "a fixed value, because H is drawn anew by each process"
        return InvalidSchedule(f"{self.name}: expected {expected or self.expected}, got {item!r}")

    def _item(self, item: str) -> set[int]:
        match = _ITEM.fullmatch(item)
        if match is None:
            raise self.error(item)
        first, last, step = match["first"], match["last"], int(match["step"] or 1)
        low = self.low if first is None else self._number(first, item)
        if last is not None:
            high = self._number(last, item)
        elif first is None or match["step"]:
            high = self.high  # `*`, `*/5` and `10/5` run to the end
        else:
            high = low
        if low > high:
            raise self.error(item, "a range that runs upwards")
        if step == 0:
            raise self.error(item, "a step of 1 or more")
        return {number % self.modulus for number in range(low, high + 1, step)}

    def _number(self, text: str, item: str) -> int:
        number = int(text) if text.isdecimal() else self.names.get(text.lower(), -1)
        if not self.low <= number <= self.high:
            raise self.error(item)
        return number


SECOND = Field("second", 0, 59, "0-59", {}, 60)
MINUTE = Field("minute", 0, 59, "0-59", {}, 60)
HOUR = Field("hour", 0, 23, "0-23", {}, 24)
DAY_OF_MONTH = Field("day of month", 1, 31, "1-31 or L (the last day)", {}, 32)
MONTH = Field("month", 1, 12, "1-12 or JAN-DEC", _named("jan feb mar apr may jun jul aug sep oct nov dec", 1), 13)
DAY_OF_WEEK = Field(
    "day of week",
    0,
    7,
    "0-7, SUN-SAT, 5L (the last Friday) or, alone, 5#2 (the second Friday)",
    _named("sun mon tue wed thu fri sat", 0),
    7,  # 7 is Sunday too
)
