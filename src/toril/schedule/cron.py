"""A cron line in a time zone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import MAXYEAR, UTC, datetime
from zoneinfo import ZoneInfo

from toril.errors import InvalidSchedule
from toril.schedule.pattern import Pattern
from toril.schedule.zone import ClockChange, first_change, utc_offset

_DAY = 86_400
_END = int(datetime(MAXYEAR, 1, 1, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True)
class Cron:
    """Fires whenever the wall clock of `tz` shows a time that `expression` names.

    `expression` has the fields second, minute, hour, day of month, month, day of week. Five fields leave out the
    second (0); with fewer, what is missing on the left is `0 * * * *`. A field is `*` or `?`, or a list of values,
    ranges and steps (`5,10-20/2,*/15`, `30/5` = from 30 on), with JAN-DEC and SUN-SAT and both 0 and 7 for Sunday.
    `L` is the last day of the month, `5L` its last Friday, `5#2` its second. When day of month and day of week are
    both restricted, either is enough. `@daily` and the like stand for whole lines.

    When clocks go forward, a skipped time fires later by as much as was skipped (02:30 at 03:30). When they go
    back, a time that comes twice fires the first time only; a line that leaves the hour open fires in both passes.

    `tz` is an IANA zone. Raises InvalidSchedule naming the field and what was expected.
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
            pattern = Pattern.parse(self.expression)
        except InvalidSchedule as error:
            raise InvalidSchedule(f"cron {self.expression!r}: {error}") from None
        object.__setattr__(self, "_pattern", pattern)
        object.__setattr__(self, "_zone", _zone(self.tz))

    def next_after(self, ms: int) -> int | None:
        """Return the first time to fire after `ms`, both in epoch milliseconds, or None from the year 9999 on."""
        instant = ms // 1000 + 1
        if instant >= _END:
            return None
        change = first_change(self._zone, instant - _DAY, instant)
        if change is None:
            offset = utc_offset(self._zone, instant)
            change = ClockChange(instant, offset, offset)
        while True:
            found = self._first_from(instant, change)
            if found is None:
                return None
            ahead = first_change(self._zone, instant, found)
            if ahead is None:
                return found * 1000
            instant, change = ahead.instant, ahead

    def _first_from(self, instant: int, change: ClockChange) -> int | None:
        """Return the first time to fire from `instant` on, if no change follows on the last one."""
        if change.after == change.before or self._pattern.every_hour:
            return self._shown_from(instant, change.after)
        end = change.instant + abs(change.after - change.before)
        if change.after < change.before:
            return self._shown_from(max(instant, end), change.after)
        # For as long as the gap is wide, a clock that was not put forward shows the skipped times.
        skipped = self._shown_from(instant, change.before)
        shown = self._shown_from(instant, change.after)
        return shown if skipped is None or skipped >= end or shown is None else min(skipped, shown)

    def _shown_from(self, instant: int, offset: int) -> int | None:
        """Return the first time from `instant` on at which a clock with this offset to UTC shows a match."""
        wall = self._pattern.first_from(instant + offset)
        return None if wall is None else wall - offset


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidSchedule(f"tz: expected an IANA zone such as 'Europe/Berlin', got {name!r}") from None
