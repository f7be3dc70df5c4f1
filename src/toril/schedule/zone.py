"""When the clocks of a time zone change. Instants are epoch seconds, offsets seconds ahead of UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400
_WEEK = 7 * _DAY


class ClockChange(NamedTuple):
    """At `instant` the zone's clocks went from the offset `before` to the offset `after`."""

    instant: int
    before: int
    after: int


def first_change(zone: ZoneInfo, since: int, until: int) -> ClockChange | None:
    """Return the first change after `since` and not after `until`, or None."""
    before = _offset(zone, since)
    while since < until:
        probe = min(since + _WEEK, until)  # no zone changes its clocks there and back within a week
        if _offset(zone, probe) != before:
            return _bisect(zone, since, probe)
        since = probe
    return None


def last_change(zone: ZoneInfo, instant: int) -> ClockChange:
    """Return the change of the day up to `instant`; if there was none, one that changes nothing."""
    offset = _offset(zone, instant)
    return first_change(zone, instant - _DAY, instant) or ClockChange(instant, offset, offset)


def _bisect(zone: ZoneInfo, since: int, until: int) -> ClockChange:
    before = _offset(zone, since)
    while until - since > 1:
        middle = (since + until) // 2
        if _offset(zone, middle) == before:
            since = middle
        else:
            until = middle
    return ClockChange(until, before, _offset(zone, until))


def _offset(zone: ZoneInfo, instant: int) -> int:
    offset = (_EPOCH + timedelta(seconds=instant)).astimezone(zone).utcoffset()
    assert offset is not None
    return offset.days * _DAY + offset.seconds
