"""How the screen says things, draws them, and what it does not show."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import unquote

import pytest

from toril.store.views import Minute
from toril.timetable import Scheduled
from toril.web.dashboard.charts import HEIGHT, SPANS, chart, merged
from toril.web.dashboard.words import ago, compact, lasting, place, rule, times, unplace

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
        (0, "0 ms"), (0.84, "840 ms"), (3.24, "3.2 s"), (59, "59 s"), (60, "1 min"), (250, "4 min 10 s"),
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


def test_moments_within_a_text() -> None:
    assert times("due at 2027-01-15T08:00:00+00:00; then") == "due at 2027-01-15 08:00:00 UTC; then"


def test_a_chart_stands_on_its_largest_bar() -> None:
    one = [Minute(NOW + n * 60_000, n, 0, 0) for n in range(60)]
    two = [Minute(NOW + n * 60_000, 0, n, 0) for n in range(60)]
    drawn = chart(merged([one, two]), SPANS["hour"])
    assert (drawn.most, drawn.completed, drawn.failed) == (200, 1770, 1770)
    last = drawn.bars[-1]
    assert last.completed_height + last.failed_height == pytest.approx(HEIGHT * 118 / 200, abs=0.02)
    assert chart([], SPANS["hour"]).empty
