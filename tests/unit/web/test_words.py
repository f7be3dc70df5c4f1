"""How the screen says things, draws them, and what it does not show."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import unquote

import pytest

from toril.lasting import lasting
from toril.store.views import Minute
from toril.timetable import Scheduled
from toril.web import words
from toril.web.dashboard.charts import HEIGHT, SPANS, chart, merged
from toril.web.words import ago, compact, local, place, rate, rule, share, size, times, unplace

NOW = 1_800_000_000_000


@pytest.mark.parametrize("name", ["emails", "a/b", "~2F", "a~b", ".", "..", "...", "ü?#&% ", "x/y ..%2F", "a.b", "~2E"])
def test_a_name_is_one_segment_of_a_path_and_back(name: str) -> None:
    assert "/" not in place(name)
    assert "?" not in place(name)
    assert place(name).strip(".") != ""
    assert unplace(unquote(place(name))) == name


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 ms"), (0.84, "840 ms"), (3.24, "3.24 s"), (1.5, "1.5 s"), (59, "59 s"), (60, "1 min"), (250, "4 min 10 s"),
        (3600, "1 h"), (3661, "1 h 1 min"), (86_400, "1 d"), (183_600, "2 d 3 h"), (86_460, "1 d"), (None, "not known"),
    ],
)  # fmt: skip
def test_lengths_of_time(seconds: float | None, said: str) -> None:
    assert lasting(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "now"), (59.9, "59 s ago"), (61, "1 min ago"), (7200, "2 h ago"), (200_000, "2 d ago"), (-90, "in 1 min")],
)
def test_distances_in_time(seconds: float, said: str) -> None:
    assert ago(NOW - round(seconds * 1000), NOW) == said


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0"), (9_999, "9,999"), (12_340, "12.3k"), (1_000_000, "1M"), (2_500_000_000, "2.5G")]
)
def test_numbers(number: int, said: str) -> None:
    assert compact(number) == said


@pytest.mark.parametrize(
    ("per_second", "said"),
    [(0, "none"), (1234.5, "1,234/s"), (3.24, "3.2/s"), (0.5, "30/min"), (0.0312, "1.9/min"), (0.001, "3.6/h")],
)
def test_how_often(per_second: float, said: str) -> None:
    assert rate(per_second) == said


@pytest.mark.parametrize(("count", "said"), [(512, "512 bytes"), (1_440, "1.4 kB"), (4_300_000, "4.3 MB")])
def test_bytes(count: int, said: str) -> None:
    assert size(count) == said


@pytest.mark.parametrize(
    ("progress", "said"),
    [("0.42", 0.42), ("50", 0.5), ("1", 1.0), ("250", 1.0), ('{"step":1}', None), ("true", None), ("x", None)],
)
def test_progress(progress: str, said: float | None) -> None:
    assert share(progress) == said


def test_a_time_by_the_clocks_of_a_zone() -> None:
    assert local(NOW, "Europe/Berlin") == "Fri 15 Jan 2027, 09:00 Europe/Berlin"
    assert local(NOW + 5_000, None) == "Fri 15 Jan 2027, 08:00:05 UTC"


@pytest.mark.parametrize(
    ("cron", "every", "said"),
    [
        ("0 9 * * 1-5", None, "At 09:00, Monday through Friday (UTC)"),
        ("*/5 * * * *", None, "Every 5 minutes (UTC)"),
        ("0 9 L * *", None, "At 09:00, on the last day of the month (UTC)"),
        ("not one of ours", None, "not one of ours (UTC)"),
        (None, 90.0, "Every 1 min 30 s"),
    ],
)
def test_schedules(cron: str | None, every: float | None, said: str) -> None:
    now = datetime.now(UTC)
    one = Scheduled("s", "q", "t", {}, cron, "UTC", every, "once", None, None, None, now, None, 0, declared=True)
    assert rule(one) == said


@pytest.mark.parametrize("wild", [NOW * 1_000, -(10**15), 10**30])
def test_a_time_beyond_the_calendar_is_said_all_the_same(wild: int) -> None:
    """BullMQ takes any number for a job's timestamp, microseconds too."""
    assert all(say(wild) for say in (words.moment, words.clock, words.day, words.iso))
    assert ago(wild, NOW)
    assert local(wild, "Pacific/Kiritimati")


def test_moments_within_a_text() -> None:
    assert times("due at 2027-01-15T08:00:00+00:00; then") == "due at 2027-01-15 08:00:00 UTC; then"


def test_a_chart_stands_on_its_largest_bar() -> None:
    one = [Minute(NOW + n * 60_000, n, 0, 0) for n in range(60)]
    two = [Minute(NOW + n * 60_000, 0, n, 0) for n in range(60)]
    drawn = chart(merged([one, two]), SPANS["hour"])
    assert (drawn.most, drawn.completed, drawn.failed) == (120, 1770, 1770)
    last = drawn.bars[-1]
    assert last.completed_height + last.failed_height == pytest.approx(HEIGHT * 118 / 120, abs=0.02)
    assert chart([], SPANS["hour"]).empty
