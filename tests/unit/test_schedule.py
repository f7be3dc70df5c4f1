"""Schedules: what a cron line names, what clock changes do to it, and BullMQ's slots for intervals."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise, product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toril.errors import InvalidSchedule
from toril.schedule import Cron, Every

NEW_YEAR = "2025-01-01T00:00:00"  # a Wednesday
HOUR = 3_600_000
MINUTE = 60_000

unhurried = settings(deadline=None)  # a busy machine is no fault


def ms(local: str, tz: str = "UTC") -> int:
    """Return epoch milliseconds of an ISO time in `tz`; a trailing `'` means the second pass of that time."""
    moment = datetime.fromisoformat(local.rstrip("'")).replace(tzinfo=ZoneInfo(tz), fold=int(local[-1] == "'"))
    return round(moment.timestamp() * 1000)


def runs(cron: Cron, after: str, count: int) -> list[str]:
    """Return the next `count` runs as local times."""
    instant, found = ms(after, cron.tz), []
    for _ in range(count):
        instant = cron.next_after(instant)
        moment = datetime.fromtimestamp(instant / 1000, ZoneInfo(cron.tz))
        found.append(moment.strftime("%m-%d %H:%M:%S") + "'" * moment.fold)
    return found


# What a line names


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 9 * * *", ["01-01 09:00:00", "01-02 09:00:00"]),
        ("30 0 9 * * *", ["01-01 09:00:30", "01-02 09:00:30"]),
        ("*/20 * * * * *", ["01-01 00:00:20", "01-01 00:00:40", "01-01 00:01:00"]),
        ("50/5 * * * *", ["01-01 00:50:00", "01-01 00:55:00", "01-01 01:50:00"]),
        ("1-10/4,30 5 * * *", ["01-01 05:01:00", "01-01 05:05:00", "01-01 05:09:00", "01-01 05:30:00"]),
        ("0 0 ? * ?", ["01-02 00:00:00", "01-03 00:00:00"]),
        ("0 0 1 jan,MAR-Apr ?", ["03-01 00:00:00", "04-01 00:00:00", "01-01 00:00:00"]),
        ("0 0 * * 0", ["01-05 00:00:00", "01-12 00:00:00"]),
        ("0 0 * * 7", ["01-05 00:00:00", "01-12 00:00:00"]),
        ("0 0 * * fri-7", ["01-03 00:00:00", "01-04 00:00:00", "01-05 00:00:00", "01-10 00:00:00"]),
        ("0 0 L * *", ["01-31 00:00:00", "02-28 00:00:00", "03-31 00:00:00"]),
        ("0 0 L,15 * *", ["01-15 00:00:00", "01-31 00:00:00", "02-15 00:00:00"]),
        ("0 0 * * 5L", ["01-31 00:00:00", "02-28 00:00:00", "03-28 00:00:00"]),
        ("0 0 * 7,2 5L", ["02-28 00:00:00", "07-25 00:00:00"]),
        ("0 0 * * SUNL,3", ["01-08 00:00:00", "01-15 00:00:00", "01-22 00:00:00", "01-26 00:00:00"]),
        ("0 0 * * 5#2", ["01-10 00:00:00", "02-14 00:00:00"]),
        ("0 0 * * MON#5", ["03-31 00:00:00", "06-30 00:00:00"]),
        ("0 0 29 2 *", ["02-29 00:00:00"]),
        # day of month and day of week both restricted: either will do, and */1 is a restriction
        ("0 0 10 * FRI", ["01-03 00:00:00", "01-10 00:00:00", "01-17 00:00:00"]),
        ("0 0 31 2 MON", ["02-03 00:00:00", "02-10 00:00:00"]),
        ("0 0 */1 * FRI", ["01-02 00:00:00", "01-03 00:00:00"]),
        # fewer fields are filled in from the left
        ("9 * * *", ["01-01 09:00:00", "01-01 09:01:00"]),
        ("15 * *", ["01-15 00:00:00", "01-15 00:01:00"]),
        ("2 *", ["02-01 00:00:00", "02-01 00:01:00"]),
        ("SAT", ["01-04 00:00:00", "01-04 00:01:00"]),
        ("@secondly", ["01-01 00:00:01", "01-01 00:00:02"]),
        ("@minutely", ["01-01 00:01:00", "01-01 00:02:00"]),
        ("@hourly", ["01-01 01:00:00", "01-01 02:00:00"]),
        ("@daily", ["01-02 00:00:00", "01-03 00:00:00"]),
        ("@weekly", ["01-05 00:00:00", "01-12 00:00:00"]),
        ("@weekdays", ["01-02 00:00:00", "01-03 00:00:00", "01-06 00:00:00"]),
        ("@weekends", ["01-04 00:00:00", "01-05 00:00:00", "01-11 00:00:00"]),
        ("@monthly", ["02-01 00:00:00", "03-01 00:00:00"]),
        ("@yearly", ["01-01 00:00:00"]),
        ("@annually", ["01-01 00:00:00"]),
    ],
)
def test_a_line_fires_at_the_times_that_it_names(expression, expected):
    assert runs(Cron(expression), NEW_YEAR, len(expected)) == expected


def test_a_leap_day_is_found_across_a_century_without_one():
    assert Cron("0 0 29 2 *").next_after(ms("2096-03-01T00:00:00")) == ms("2104-02-29T00:00:00")


def test_the_zone_decides_what_nine_o_clock_is():
    assert Cron("0 9 * * *", "Asia/Ho_Chi_Minh").next_after(ms(NEW_YEAR)) == ms("2025-01-01T02:00:00")


def test_the_next_run_is_strictly_later_and_on_a_full_second():
    noon = ms("2025-01-01T12:00:00")

    assert Cron("0 12 * * *").next_after(noon - 1) == noon
    assert Cron("0 12 * * *").next_after(noon) == noon + 24 * HOUR
    assert Cron("* * * * * *").next_after(noon + 1) == noon + 1000


def test_no_run_is_found_where_the_calendar_ends():
    cron = Cron("0 0 1 * *")

    assert cron.next_after(ms("9998-11-30T00:00:00")) == ms("9998-12-01T00:00:00")
    assert cron.next_after(ms("9998-12-01T00:00:00")) is None
    assert cron.next_after(10**18) is None


# Clock changes


@pytest.mark.parametrize(
    ("expression", "tz", "after", "expected"),
    [
        # forward: a skipped time fires later by the gap, once
        ("30 2 * * *", "Europe/Berlin", "2025-03-29T12:00", ["03-30 03:30:00", "03-31 02:30:00"]),
        ("30 2,3 * * *", "Europe/Berlin", "2025-03-30T00:00", ["03-30 03:30:00", "03-31 02:30:00"]),
        ("45 2 * * *", "Europe/Berlin", "2025-03-30T03:10", ["03-30 03:45:00", "03-31 02:45:00"]),
        ("*/20 30 2 * * *", "Europe/Berlin", "2025-03-30T00:00", ["03-30 03:30:00", "03-30 03:30:20"]),
        ("0,40 2,3 * * *", "Europe/Berlin", "2025-03-30T00:00", ["03-30 03:00:00", "03-30 03:40:00"]),
        ("0 0 * * *", "America/Santiago", "2024-09-07T12:00", ["09-08 01:00:00", "09-09 00:00:00"]),
        ("30 23 * * 6", "America/Nuuk", "2025-03-29T12:00", ["03-30 00:30:00", "04-05 23:30:00"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2025-10-05T00:00", ["10-05 02:45:00", "10-06 02:15:00"]),
        ("30 2 * * *", "Antarctica/Troll", "2025-03-30T00:00", ["03-30 04:30:00", "03-31 02:30:00"]),
        ("0 0 2 4 *", "Europe/Berlin", "2025-03-01T00:00", ["04-02 00:00:00"]),
        # back: a fixed hour fires the first time only
        ("30 2 * * *", "Europe/Berlin", "2025-10-26T00:00", ["10-26 02:30:00", "10-27 02:30:00"]),
        ("30 2 * * *", "Europe/Berlin", "2025-10-26T02:10'", ["10-27 02:30:00"]),
        ("30 1-3 * * *", "Europe/Berlin", "2025-10-26T02:00", ["10-26 02:30:00", "10-26 03:30:00"]),
        ("0 1 * * *", "America/New_York", "2025-11-02T00:30", ["11-02 01:00:00", "11-03 01:00:00"]),
        ("0 0 * * *", "America/Havana", "2025-11-01T12:00", ["11-02 00:00:00", "11-03 00:00:00"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2025-04-06T00:00", ["04-06 01:45:00", "04-07 01:45:00"]),
        # a line for every hour follows the clock
        ("0 * * * *", "Europe/Berlin", "2025-03-30T01:30", ["03-30 03:00:00", "03-30 04:00:00"]),
        ("20 0-23 * * *", "Europe/Berlin", "2025-10-26T02:00", ["10-26 02:20:00", "10-26 02:20:00'"]),
        ("45 * * * *", "Australia/Lord_Howe", "2025-04-06T01:00", ["04-06 01:45:00", "04-06 01:45:00'"]),
        ("15 * * * *", "Australia/Lord_Howe", "2025-10-05T01:00", ["10-05 01:15:00", "10-05 03:15:00"]),
        ("10 * 5 4 *", "America/Santiago", "2025-04-05T23:10", ["04-05 23:10:00'", "04-05 00:10:00"]),
        ("10 * * * 6", "America/Santiago", "2025-04-05T23:00", ["04-05 23:10:00", "04-05 23:10:00'"]),
    ],
)
def test_clock_changes(expression, tz, after, expected):
    assert runs(Cron(expression, tz), after, len(expected)) == expected


# What is refused


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("", "expected up to 6 fields"),
        ("* * * * * * *", "expected up to 6 fields .*, got 7"),
        ("@reboot", "expected fields or one of @secondly"),
        ("60 * * * * *", "second: expected 0-59, got '60'"),
        ("61 * * * *", "minute: expected 0-59, got '61'"),
        ("*/0 * * * *", "minute: expected a step of 1 or more, got '\\*/0'"),
        ("20-10 * * * *", "minute: expected a range that runs upwards, got '20-10'"),
        ("1,,2 * * * *", "minute: expected 0-59, got ''"),
        ("5, * * * *", "minute: expected 0-59, got ''"),
        ("1,1-5 * * * *", "minute: expected each value once, got '1-5'"),
        ("*5 * * * *", "minute: expected 0-59"),
        ("-5 * * * *", "minute: expected 0-59"),
        ("5/ * * * *", "minute: expected 0-59"),
        ("1-2-3 * * * *", "minute: expected 0-59"),
        ("٣ * * * *", "minute: expected 0-59"),
        ("1_0 * * * *", "minute: expected 0-59"),
        ("9" * 5000 + " * * * *", "minute: expected 0-59"),
        ("H * * * *", "minute: expected a fixed value"),
        ("0 H(0-7)/2 * * *", "hour: expected a fixed value"),
        ("0 24 * * *", "hour: expected 0-23"),
        ("0 0 0 * *", "day of month: expected 1-31"),
        ("0 0 15W * *", "day of month: expected 1-31"),
        ("0 0 L-3 * *", "day of month: expected 1-31"),
        ("0 0 L,L * *", "day of month: expected each value once"),
        ("0 0 30 2 *", "day of month: expected a day that month 2 has"),
        ("0 0 31 4,6 ?", "day of month: expected a day that month 4,6 has"),
        ("0 0 * 13 *", "month: expected 1-12 or JAN-DEC"),
        ("0 0 * january *", "month: expected 1-12 or JAN-DEC"),
        ("0 0 * * 8", "day of week: expected 0-7"),
        ("0 0 * * 0,7", "day of week: expected each value once, got '7'"),
        ("0 0 * * L", "day of week: expected 0-7"),
        ("0 0 * * 5#6", "day of week: expected 0-7"),
        ("0 0 * * 5#2,3", "day of week: expected 0-7"),
        ("0 0 * * sat-sun", "day of week: expected a range that runs upwards"),
        (None, "expression: expected text, got None"),
        (5, "expression: expected text, got 5"),
    ],
)
def test_a_bad_line_names_the_field_and_what_was_expected(expression, complaint):
    with pytest.raises(InvalidSchedule, match=complaint):
        Cron(expression)


def test_the_error_shows_the_whole_line():
    with pytest.raises(InvalidSchedule, match=r"^cron '0 25 \* \* \*': hour: expected 0-23, got '25'$"):
        Cron("0 25 * * *")


@pytest.mark.parametrize("tz", ["Europe/Berlim", "", "Europe", "../UTC", "/etc/passwd", "UTC+3", None, 3])
def test_an_unknown_zone_is_refused(tz):
    with pytest.raises(InvalidSchedule, match="tz: expected"):
        Cron("* * * * *", tz)


def test_schedules_are_values():
    cron = Cron("0 9 * * *", "Europe/Berlin")

    assert cron == Cron("0 9 * * *", "Europe/Berlin") == pickle.loads(pickle.dumps(cron))
    assert cron != Cron("0 9 * * *")
    assert len({cron, Cron("0 9 * * *", "Europe/Berlin"), Every(5), Every(5, 0)}) == 2
    assert repr(cron) == "Cron(expression='0 9 * * *', tz='Europe/Berlin')"
    with pytest.raises(AttributeError):
        cron.tz = "UTC"


# Every line, every zone, every instant


ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "America/Havana", "America/Nuuk",
    "Asia/Ho_Chi_Minh", "Australia/Lord_Howe", "Pacific/Chatham", "Africa/Casablanca", "Antarctica/Troll",
]  # fmt: skip


@cache
def changes(tz: str) -> list[int]:
    """Return the hours (epoch seconds) in 2023-2026 within which the zone's clocks change."""
    first = int(datetime(2023, 1, 1, tzinfo=UTC).timestamp())
    hours = range(first, first + 4 * 365 * 86_400, 3600)
    offsets = [datetime.fromtimestamp(hour, ZoneInfo(tz)).utcoffset() for hour in hours]
    return [hour for hour, (one, next_one) in zip(hours, pairwise(offsets), strict=False) if one != next_one]


@st.composite
def instants(draw, tz: str) -> int:
    """Draw epoch milliseconds, mostly near one of the zone's clock changes."""
    if changes(tz) and draw(st.integers(0, 3)):
        return draw(st.sampled_from(changes(tz))) * 1000 + draw(st.integers(-26 * HOUR, 26 * HOUR))
    return draw(st.integers(0, 4_000_000_000_000))


def numbers(low: int, high: int, most: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(low, high), min_size=1, max_size=most, unique=True)


@st.composite
def questions(draw) -> tuple[Cron, int, dict[str, list[int]]]:
    """Draw a line with its parts as plain lists (an empty list: unrestricted), a zone and an instant."""
    parts = {
        "second": draw(numbers(0, 59, 2)),
        "minute": draw(numbers(0, 59, 4)),
        "hour": draw(st.just([]) | numbers(0, 3, 3) | numbers(0, 23, 5) | st.just([23])),
        "day": draw(st.just([]) | numbers(1, 31, 3)),
        "month": draw(st.just([]) | numbers(1, 12, 6)),
        "weekday": draw(st.just([]) | numbers(0, 6, 3)),
    }
    if parts["day"] and min(parts["day"]) > 28:
        parts["month"] = []
    tz = draw(st.sampled_from(ZONES))
    line = " ".join(",".join(map(str, part)) or "*" for part in parts.values())
    return Cron(line, tz), draw(instants(tz)), parts


def named_days(parts: dict[str, list[int]], first: date, count: int) -> list[date]:
    """Return those of `count` days from `first` on that the parts name."""
    days = [first + timedelta(days=number) for number in range(count)]
    if parts["month"]:
        days = [day for day in days if day.month in parts["month"]]
    by_day = {day for day in days if day.day in parts["day"]}
    by_weekday = {day for day in days if day.isoweekday() % 7 in parts["weekday"]}
    return sorted(by_day | by_weekday) if parts["day"] or parts["weekday"] else days


def expected_runs(parts: dict[str, list[int]], tz: str, first: date, count: int) -> set[int]:
    """Return every run of `count` days by trying all times: PEP 495 says what a skipped or repeated one is."""
    found = set()
    times = list(product(parts["hour"] or range(24), parts["minute"], parts["second"]))
    for day in named_days(parts, first, count):
        for time in times:
            wall = datetime(day.year, day.month, day.day, *time, tzinfo=ZoneInfo(tz))
            if parts["hour"]:
                found.add(round(wall.timestamp() * 1000))
                continue
            for one in (wall, wall.replace(fold=1)):
                shown = one.astimezone(UTC).astimezone(ZoneInfo(tz))
                if shown.replace(tzinfo=None) == wall.replace(tzinfo=None):
                    found.add(round(one.timestamp() * 1000))
    return found


@unhurried
@given(questions())
def test_the_next_run_is_the_first_of_all_times_tried_one_by_one(question):
    cron, after, parts = question
    first = datetime.fromtimestamp(after / 1000, ZoneInfo(cron.tz)).date() - timedelta(days=1)

    found = cron.next_after(after)
    tried = [run for run in expected_runs(parts, cron.tz, first, 4) if run > after]

    if tried:
        assert found == min(tried)
    else:
        assert found > after + 24 * HOUR


@unhurried
@given(questions())
def test_the_next_run_is_the_same_from_anywhere_before_it(question):
    cron, after, _ = question
    found = cron.next_after(after)

    assert found > after
    assert found % 1000 == 0
    assert cron.next_after((after + found) // 2) == found
    assert cron.next_after(found - 1) == found
    assert cron.next_after(found) > found


@unhurried
@given(questions())
def test_the_clock_shows_the_fields_unless_they_were_skipped(question):
    cron, after, parts = question
    found = cron.next_after(after)
    shown = datetime.fromtimestamp(found / 1000, ZoneInfo(cron.tz))
    day_before = datetime.fromtimestamp(found / 1000 - 86_400, ZoneInfo(cron.tz))

    assert shown.second in parts["second"]
    if shown.utcoffset() <= day_before.utcoffset():
        assert shown.minute in parts["minute"]
        assert shown.hour in (parts["hour"] or range(24))
        assert [shown.date()] == named_days(parts, shown.date(), 1)


# Intervals


@pytest.mark.parametrize(
    ("every", "after", "expected"),
    [
        (Every(MINUTE), 0, MINUTE),
        (Every(MINUTE), MINUTE - 1, MINUTE),
        (Every(MINUTE), MINUTE, 2 * MINUTE),
        (Every(MINUTE, 7), MINUTE, MINUTE + 7),
        (Every(MINUTE, 7), MINUTE + 7, 2 * MINUTE + 7),
        (Every(MINUTE, MINUTE + 7), 0, 7),
    ],
)
def test_every_next_after(every, after, expected):
    assert every.next_after(after) == expected


@unhurried
@given(st.integers(1, 10**10), st.integers(0, 10**10), st.integers(0, 4_000_000_000_000))
def test_slots_lie_one_interval_apart(milliseconds, offset, after):
    every = Every(milliseconds, offset)
    slot = every.next_after(after)

    assert after < slot <= after + milliseconds
    assert (slot - offset) % milliseconds == 0
    assert every.next_after(slot - 1) == slot
    assert every.next_after(slot) == slot + milliseconds


@pytest.mark.parametrize(
    ("every", "now", "start", "expected"),
    [
        (Every(1000), 10_400, None, 10_400),  # at once
        (Every(1000), 10_400, 12_345, 12_345),  # at the start given
        (Every(1000, 300), 10_400, 9_000, 10_400),  # never in the past
        (Every(1000, 500), 10_400, None, 10_500),  # in the next slot
        (Every(1000, 400), 10_400, None, 11_400),  # a slot that is now is over
        (Every(1000, 2500), 10_400, None, 12_500),  # a wide offset delays the start
    ],
)
def test_every_first_run(every, now, start, expected):
    assert every.first(now, start) == expected


@pytest.mark.parametrize(
    ("every", "previous", "now", "expected"),
    [
        (Every(1000, 300), 10_300, 10_400, 11_300),
        (Every(1000, 300), 10_300, 11_300, 11_300),  # just due
        (Every(1000, 300), 10_300, 15_200, 15_300),  # what was missed is not made up for
        (Every(1000, 300), 10_300, 15_300, 16_300),
        (Every(1000, 300), 10_900, 10_950, 11_900),  # one interval from where it was, not in a slot
        (Every(1000), 10_300, 15_200, 16_000),
    ],
)
def test_every_following_run(every, previous, now, expected):
    assert every.following(previous, now) == expected


def test_every_takes_its_offset_from_its_first_slot():
    assert Every(1000).anchored(10_400) == Every(1000, 400)
    assert Every(1000, 300).anchored(10_400) == Every(1000, 300)


@pytest.mark.parametrize(
    ("milliseconds", "offset", "complaint"),
    [
        (0, 0, "every: milliseconds: expected a whole number from 1 on, got 0"),
        (-5, 0, "milliseconds: expected"),
        (1.5, 0, "milliseconds: expected"),
        (True, 0, "milliseconds: expected"),
        ("60", 0, "milliseconds: expected"),
        (1000, -1, "every: offset: expected a whole number from 0 on, got -1"),
        (1000, None, "offset: expected"),
    ],
)
def test_a_bad_interval_names_the_field(milliseconds, offset, complaint):
    with pytest.raises(InvalidSchedule, match=complaint):
        Every(milliseconds, offset)
