"""A cron line in a time zone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import MAXYEAR, UTC, datetime
from zoneinfo import ZoneInfo

from toril.errors import InvalidSchedule
from toril.schedule.pattern import Pattern
from toril.schedule.zone import ClockChange, first_change, last_change

_END = int(datetime(MAXYEAR, 1, 1, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True)
class Cron:
    """Fires whenever the wall clock of the IANA zone `tz` shows a time that `expression` names.

    The fields of `expression` are second, minute, hour, day of month, month and day of week; five fields
    leave out the second, and whatever else is missing on the left is `0 * * * *`. A field is `*` or `?`, or a
    list of values, ranges and steps (`5,10-20/2,*/15`; `30/5` runs from 30 to the end). Months and weekdays
    have names (JAN, MON), Sunday is 0 and 7. `L` is the last day of the month, `5L` its last Friday, `5#2`
    its second. Where day of month and day of week are both restricted, either will do. `@daily` is an alias.

    When clocks go forward, a time that is skipped fires later by as much (02:30 at 03:30). When they go back,
    a time that comes twice fires once, the first time. A line for every hour follows the clock through both.

    Raises InvalidSchedule naming the field and what was expected, also for a day that never comes.
    """

    expression: str
    tz: str = "UTC"
    _pattern: Pattern = field(init=False, repr=False, compare=False)
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("expression", "tz"):
            if not isinstance(getattr(self, name), str):
                raise InvalidSchedule(f"cron: {name}: expected text, got {getattr(self, name)!r}")
        try:
            object.__setattr__(self, "_pattern", Pattern.parse(self.expression))
        except InvalidSchedule as error:
            raise InvalidSchedule(f"cron {self.expression!r}: {error}") from None
        try:
            object.__setattr__(self, "_zone", ZoneInfo(self.tz))
        except (KeyError, ValueError, OSError):
            expected = "an IANA zone such as 'Europe/Berlin'"
            raise InvalidSchedule(f"cron: tz: expected {expected}, got {self.tz!r}") from None

    def next_after(self, ms: int) -> int | None:
        """Return the first time to fire after `ms` (epoch milliseconds), or None from the year 9999 on."""
        instant = ms // 1000 + 1
        if instant >= _END:
            return None
        change = last_change(self._zone, instant)
        while (found := self._first_from(instant, change)) is not None:
            ahead = first_change(self._zone, instant, found)
            if ahead is None:
                return found * 1000
            instant, change = ahead.instant, ahead
        return None

    def _first_from(self, instant: int, change: ClockChange) -> int | None:
        """Return the first time to fire from `instant` on, provided that no change follows the last one."""
        shown = self._first_shown(instant, change.after)
        if change.after == change.before or self._pattern.every_hour:
            return shown
        end = change.instant + abs(change.after - change.before)
        if change.after < change.before:
            return self._first_shown(max(instant, end), change.after)
        # Until `end`, a clock that had not been put forward would show the skipped times.
        skipped = self._first_shown(instant, change.before)
        return shown if skipped is None or skipped >= end or shown is None else min(shown, skipped)

    def _first_shown(self, instant: int, offset: int) -> int | None:
        """Return when, from `instant` on, a clock with this offset first shows a time of the pattern."""
        wall = self._pattern.first_from(instant + offset)
        return None if wall is None else wall - offset
