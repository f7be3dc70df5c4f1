"""Charts of what ended in each span of time, as numbers that a template draws in SVG: no script, no style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from toril.store.views import Minute

__all__ = ["HEIGHT", "SPANS", "WIDTH", "Bar", "Chart", "Span", "chart", "merged"]

WIDTH, HEIGHT = 600, 120  # of the drawing, in its own units: it is stretched to the place that it gets
_GAP = 0.22  # share of a bar's room that stays empty
_TICKS = 5  # labels below
_STEPS = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8)  # of an axis, whose half is written, too


class Span(NamedTuple):
    """How far a chart looks back, and how many minutes one bar stands for."""

    name: str
    title: str
    minutes: int
    each: int


SPANS = {
    "hour": Span("hour", "Last hour", 60, 1),
    "day": Span("day", "Last day", 24 * 60, 15),
    "week": Span("week", "Last week", 7 * 24 * 60, 2 * 60),
}


class Bar(NamedTuple):
    """One bar: the failed stand on the completed. Times in epoch milliseconds."""

    at: int
    until: int
    completed: int
    failed: int
    x: float
    width: float
    completed_height: float
    failed_height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, oldest first; `most` is what the full height stands for; `ticks` are the times written below."""

    span: Span
    bars: Sequence[Bar]
    most: int
    completed: int
    failed: int
    ticks: Sequence[int]

    @property
    def empty(self) -> bool:
        """Whether nothing ended in all that time."""
        return not self.completed and not self.failed


def merged(queues: Sequence[Sequence[Minute]]) -> list[Minute]:
    """Return the minutes of several queues as those of one; all cover the same time."""
    return [
        Minute(group[0].at, sum(one.completed for one in group), sum(one.failed for one in group), 0)
        for group in zip(*queues, strict=False)
    ]


def chart(spans: Sequence[Minute], span: Span) -> Chart:
    """Return the chart of what ended in spans of `span.each` minutes, oldest first."""
    most = _round_up(max((one.completed + one.failed for one in spans), default=0))
    room = WIDTH / max(len(spans), 1)
    bars = [
        Bar(
            one.at,
            one.at + span.each * 60_000,
            one.completed,
            one.failed,
            round(number * room + room * _GAP / 2, 2),
            round(room * (1 - _GAP), 2),
            round(HEIGHT * one.completed / most, 2),
            round(HEIGHT * one.failed / most, 2),
        )
        for number, one in enumerate(spans)
    ]
    step = max((len(bars) - 1) // (_TICKS - 1), 1)
    ticks = [bar.at for bar in bars[::step]][:_TICKS]
    return Chart(span, bars, most, sum(bar.completed for bar in bars), sum(bar.failed for bar in bars), ticks)


def _round_up(number: int) -> int:
    """Return the next number that reads well on an axis."""
    power = 1
    while True:
        for step in _STEPS if power > 1 else (1, 2, 4, 6, 8):
            if number <= step * power:
                return round(step * power)
        power *= 10
