"""How the screen says things: times, spans, numbers, JSON, schedules. Pure; templates use these as filters."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from cron_descriptor import FormatError, Options, get_description  # type: ignore[import-untyped]

from toril.clock import utc
from toril.json import decode
from toril.lasting import UNITS, lasting
from toril.timetable import Scheduled
from toril.wording import number_of

__all__ = [
    "FILTERS", "ago", "clock", "compact", "cron", "day", "every", "iso", "late", "local", "moment", "place",
    "rate", "rule", "share", "size", "times", "unplace",
]  # fmt: skip

_THOUSAND = 1_000
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)?\+00:00")
_SOON = 1.0  # seconds
_LATE = 10_000  # milliseconds


def place(name: str) -> str:
    """Return a queue's name or a job's id as one segment of a path, whatever its characters; see `unplace`."""
    quoted = quote(name.replace("~", "~7E").replace("/", "~2F"), safe="~")
    return quoted.replace(".", "~2E") if not quoted.strip(".") else quoted


def unplace(segment: str) -> str:
    """Return what `place` made a segment of."""
    return segment.replace("~2E", ".").replace("~2F", "/").replace("~7E", "~")


def _datetime(at: int | datetime) -> datetime:
    return at if isinstance(at, datetime) else utc(at)


def iso(at: int | datetime) -> str:
    """Return a time (epoch milliseconds or a datetime) for machines."""
    return _datetime(at).astimezone(UTC).isoformat(timespec="milliseconds")


def moment(at: int | datetime) -> str:
    """Return a time in full, to the second, in UTC."""
    return f"{_datetime(at).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(at: int | datetime) -> str:
    """Return the hour and minute of a time."""
    return f"{_datetime(at).astimezone(UTC):%H:%M}"


def day(at: int | datetime) -> str:
    """Return the day of a time, with its hour."""
    return f"{_datetime(at).astimezone(UTC):%a %d, %H:%M}"


def ago(at: int | datetime, now: int) -> str:
    """Return how far a time lies from `now` (epoch milliseconds), either way, in its largest unit."""
    distance = (now - round(_datetime(at).timestamp() * 1000)) / 1000
    size = abs(distance)
    if size < _SOON:
        return "now"
    for length, unit in UNITS:
        if size >= length:
            text = f"{size // length:.0f} {unit}"
            break
    else:
        text = f"{size // 1:.0f} s"
    return f"{text} ago" if distance > 0 else f"in {text}"


def late(at: int | datetime, now: int) -> bool:
    """Return whether a time is past by more than workers need to see to it."""
    return now - _datetime(at).timestamp() * 1000 > _LATE


def compact(number: float) -> str:
    """Return a number as it fits into a narrow place: `999`, `12.3k`, `1.2M`."""
    if number < 10 * _THOUSAND:
        return f"{number:,.0f}"
    for size, letter in ((_THOUSAND**3, "G"), (_THOUSAND**2, "M"), (_THOUSAND, "k")):
        if number >= size:
            return f"{number / size:.1f}".removesuffix(".0") + letter
    raise AssertionError(number)


def size(count: float) -> str:
    """Return a number of bytes: `512 bytes`, `1.4 MB`."""
    for length, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count:,.0f} bytes"


def rate(per_second: float) -> str:
    """Return how often something happens, in the unit in which the number is easy to read: `3.2/s`, `1.9/min`."""
    if not per_second:
        return "none"
    for unit, length in (("s", 1), ("min", 60), ("h", 3_600)):
        number = per_second * length
        if number >= 1 or unit == "h":
            break
    return f"{number:,.0f}/{unit}" if number >= 10 or number == int(number) else f"{number:.1f}/{unit}"  # noqa: PLR2004


def share(progress: str | None) -> float | None:
    """Return progress as a share of 1, if it says that: BullMQ's users count to 100."""
    try:
        value = decode(progress or "null")
    except ValueError:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        return None
    return min(value if value <= 1 else value / 100, 1.0)


def times(text: str) -> str:
    """Return text with the moments in it, as programs write them, as people do."""
    return _MOMENT.sub(r"\1 \2 UTC", text)


def rule(schedule: Scheduled) -> str:
    """Return the times of a schedule in words; a cron line that has none is given as it is."""
    if schedule.every is not None:
        return every(schedule.every)
    assert schedule.cron is not None
    return cron(schedule.cron, schedule.tz or "UTC")


def every(seconds: float) -> str:
    """Return a fixed distance in words."""
    return f"Every {lasting(seconds)}"


def cron(line: str, tz: str) -> str:
    """Return the times of a cron line in words; one that has none is given as it is."""
    options = Options()
    options.use_24hour_time_format = True
    try:
        return f"{get_description(line, options)} ({tz})"
    except (FormatError, ValueError, IndexError, KeyError):
        return f"{line} ({tz})"


def local(at: int | datetime, tz: str | None) -> str:
    """Return a time as the clocks of a zone show it: `Fri 27 Nov 2026, 09:00 Europe/Berlin`."""
    shown = _datetime(at).astimezone(ZoneInfo(tz or "UTC"))
    return f"{shown:%a %d %b %Y, %H:%M}{f':{shown:%S}' if shown.second else ''} {tz or 'UTC'}"


FILTERS: dict[str, Any] = {
    "number_of": number_of,
    "ago": ago,
    "clock": clock,
    "compact": compact,
    "day": day,
    "iso": iso,
    "lasting": lasting,
    "late": late,
    "local": local,
    "moment": moment,
    "place": place,
    "rate": rate,
    "rule": rule,
    "share": share,
    "size": size,
    "times": times,
}
