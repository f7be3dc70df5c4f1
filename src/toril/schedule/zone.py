"""When the clocks of a time zone change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WEEK = 7 * 86_400


class ClockChange(NamedTuple):
    """At `instant` the zone went from one distance to UTC to another; all in seconds."""

    instant: int
    before: int
    after: int


def utc_offset(zone: ZoneInfo, instant: int) -> int:
    """Return how far the zone's clocks are ahead of UTC at `instant` (epoch seconds), in seconds."""
    moment = (_EPOCH + timedelta(seconds=instant)).astimezone(zone)
    return (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1) - instant


def first_change(zone: ZoneInfo, since: int, until: int) -> ClockChange | None:
    """Return the first change after `since` and not after `until` (epoch seconds), or None."""
    before = utc_offset(zone, since)
    while since < until:
        probe = min(since + _WEEK, until)  # no zone changes its clocks there and back within a week
        if utc_offset(zone, probe) != before:
            return _bisect(zone, since, probe, before)
        since = probe
    return None


def _bisect(zone: ZoneInfo, since: int, until: int, before: int) -> ClockChange:
    while until - since > 1:
        middle = (since + until) // 2
        if utc_offset(zone, middle) == before:
            since = middle
        else:
            until = middle
    return ClockChange(until, before, utc_offset(zone, until))
