"""The wall times that a cron line names, in whatever zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from toril.errors import InvalidSchedule
from toril.schedule.days import Days
from toril.schedule.field import HOUR, MINUTE, SECOND

_DAY = 86_400
_DEFAULTS = ("0", "*", "*", "*", "*", "*")
_ALIASES = {
    "@secondly": "* * * * * *",
    "@minutely": "0 * * * * *",
    "@hourly": "0 0 * * * *",
    "@daily": "0 0 0 * * *",
    "@weekly": "0 0 0 * * 0",
    "@weekdays": "0 0 0 * * 1-5",
    "@weekends": "0 0 0 * * 0,6",
    "@monthly": "0 0 0 1 * *",
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
}


@dataclass(frozen=True, slots=True)
class Pattern:
    """Days and times of day. A wall time is given in seconds since 1970-01-01 00:00 on that wall."""

    days: Days
    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a cron line: seconds first, missing fields filled in from the left, or an alias (`@daily`).

        Raises InvalidSchedule naming the field and what was expected in it.
        """
        if line.startswith("@") and line not in _ALIASES:
            raise InvalidSchedule(f"expected fields or one of {' '.join(_ALIASES)}")
        fields = _ALIASES.get(line, line).split()
        if not 1 <= len(fields) <= len(_DEFAULTS):
            names = "[second] minute hour day-of-month month day-of-week"
            raise InvalidSchedule(f"expected up to 6 fields ({names}), got {len(fields)}")
        second, minute, hour, *days = (*_DEFAULTS[: len(_DEFAULTS) - len(fields)], *fields)
        return cls(
            Days.parse(*days),
            tuple(sorted(HOUR.numbers(hour.split(",")))),
            tuple(sorted(MINUTE.numbers(minute.split(",")))),
            tuple(sorted(SECOND.numbers(second.split(",")))),
        )

    @property
    def every_hour(self) -> bool:
        """Whether the line leaves the hour open."""
        return self.hours == tuple(range(24))

    def first_from(self, wall: int) -> int | None:
        """Return the first wall time that matches, from `wall` on, or None from the year 9999 on."""
        day, second = divmod(wall, _DAY)
        while (found := self.days.first_from(day)) is not None:
            time = self._time_from(second if found == day else 0)
            if time is not None:
                return found * _DAY + time
            day, second = found + 1, 0
        return None

    def _time_from(self, start: int) -> int | None:
        for hour in self.hours:
            if hour * 3600 + 3599 < start:
                continue
            for minute in self.minutes:
                if hour * 3600 + minute * 60 + 59 < start:
                    continue
                for second in self.seconds:
                    time = hour * 3600 + minute * 60 + second
                    if time >= start:
                        return time
        return None
