"""The days that a cron line names."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import MAXYEAR, date
from typing import Self

from toril.schedule.field import DAY_OF_MONTH, DAY_OF_WEEK, MONTH

_EPOCH = date(1970, 1, 1).toordinal()
_LONGEST = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_NTH = re.compile(r"(\w+)#([1-5])", re.ASCII)
_LAST = re.compile(r"([0-7]|[A-Za-z]{3})L", re.ASCII)


@dataclass(frozen=True, slots=True)
class Days:
    """Days by month, day of month and day of week; where both kinds of day are restricted, either will do."""

    months: tuple[int, ...]
    days: frozenset[int]
    last_day: bool
    any_day: bool
    weekdays: frozenset[int]
    nth: int  # 0, or the only week of the month in which a weekday counts
    last_weekdays: frozenset[int]
    any_weekday: bool

    @classmethod
    def parse(cls, day: str, month: str, weekday: str) -> Self:
        """Read the three fields. Raises InvalidSchedule, also when no such day ever comes."""
        months = tuple(sorted(MONTH.numbers(month.split(","))))
        days, last_day = _days_of_month(day)
        weekdays, nth, last_weekdays = _days_of_week(weekday)
        any_weekday = weekday in {"*", "?"}
        longest = max(_LONGEST.get(number, 31) for number in months)
        if any_weekday and not last_day and min(days) > longest:
            raise DAY_OF_MONTH.error(day, f"a day that month {month} has, or it would never fire")
        return cls(months, days, last_day, day in {"*", "?"}, weekdays, nth, last_weekdays, any_weekday)

    def first_from(self, day: int) -> int | None:
        """Return the first such day from `day` on, in days since 1970, or None from the year 9999 on."""
        start = date.fromordinal(_EPOCH + day)
        for year in range(start.year, MAXYEAR):
            for month in self.months:
                if (year, month) < (start.year, start.month):
                    continue
                first = start.day if (year, month) == (start.year, start.month) else 1
                found = self._first_in(year, month, first)
                if found is not None:
                    return date(year, month, found).toordinal() - _EPOCH
        return None

    def _first_in(self, year: int, month: int, first: int) -> int | None:
        offset, length = monthrange(year, month)
        for day in range(first, length + 1):
            if self._has(day, (offset + day) % 7, length):
                return day
        return None

    def _has(self, day: int, weekday: int, length: int) -> bool:
        by_day = day in self.days or (self.last_day and day == length)
        if self.any_weekday:
            return by_day
        by_weekday = weekday in self.weekdays and self.nth in {0, (day + 6) // 7}
        by_weekday = by_weekday or (weekday in self.last_weekdays and day > length - 7)
        return by_weekday or (by_day and not self.any_day)


def _days_of_month(text: str) -> tuple[frozenset[int], bool]:
    items = text.split(",")
    if items.count("L") > 1:
        raise DAY_OF_MONTH.error(text, "each value once")
    return DAY_OF_MONTH.numbers(item for item in items if item != "L"), "L" in items


def _days_of_week(text: str) -> tuple[frozenset[int], int, frozenset[int]]:
    if nth := _NTH.fullmatch(text):
        return DAY_OF_WEEK.numbers([nth[1]]), int(nth[2]), frozenset()
    items = text.split(",")
    last = DAY_OF_WEEK.numbers(item[:-1] for item in items if _LAST.fullmatch(item))
    return DAY_OF_WEEK.numbers(item for item in items if not _LAST.fullmatch(item)), 0, last
