"""When a failed job runs again: the arithmetic, its bounds, and BullMQ's way to write it down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril import Exponential, Fixed
from toril.clock import LONGEST
from toril.errors import InvalidOption
from toril.retry import backoff_from_json, backoff_to_json, delay_after, own_delay, run_times

seconds = st.integers(0, 10**7).map(lambda milliseconds: milliseconds / 1000)  # BullMQ's unit
jitters = st.floats(0, 1)
fixed = st.builds(Fixed, seconds, jitters)
exponential = st.builds(Exponential, seconds, jitters) | st.builds(
    lambda low, more, jitter: Exponential(low, jitter, (round(low * 1000) + round(more * 1000)) / 1000),
    seconds, seconds, jitters,
)  # fmt: skip
backoffs = fixed | exponential


@pytest.mark.parametrize(
    ("attempts", "backoff", "times"),
    [
        (1, Exponential(5.0), [0]),
        (3, Exponential(5.0), [0, 5, 15]),  # three attempts are two retries
        (3, Fixed(5.0), [0, 5, 10]),
        (3, None, [0, 0, 0]),
        (5, Exponential(1.0, maximum=3.0), [0, 1, 3, 6, 9]),
        (4, Exponential(2.0, jitter=0.5), [0, 2, 6, 14]),  # before jitter, which only ever shortens
    ],
)
def test_run_times(attempts, backoff, times):
    assert run_times(attempts, backoff) == times


@given(backoffs, st.integers(1, 200))
def test_jitter_takes_away_up_to_its_share(backoff, attempt):
    whole = backoff.after(attempt)
    assert whole * (1 - backoff.jitter) * (1 - 1e-9) <= delay_after(backoff, attempt) <= whole <= LONGEST


def test_jitter_uses_its_whole_range():
    delays = [delay_after(Fixed(100.0, jitter=0.5), 1) for _ in range(1_000)]
    assert 50 <= min(delays) < 55
    assert 95 < max(delays) <= 100


@given(backoffs)
def test_bullmqs_json_says_the_same(backoff):
    assert backoff_from_json(backoff_to_json(backoff)) == backoff


@pytest.mark.parametrize(
    ("backoff", "body"),
    [
        (Fixed(5.0), {"type": "fixed", "delay": 5000}),
        (Exponential(1.5), {"type": "exponential", "delay": 1500}),
        (Exponential(1.0, jitter=0.5), {"type": "exponential", "delay": 1000, "jitter": 0.5}),
        (Exponential(1.0, maximum=60.0), {"type": "exponential", "delay": 1000, "maxDelay": 60000}),
    ],
)
def test_what_bullmq_reads(backoff, body):
    assert backoff_to_json(backoff) == body


@pytest.mark.parametrize(
    ("body", "backoff"),
    [
        (5000, Fixed(5.0)),
        ({"type": "fixed"}, Fixed(0)),
        ({"type": "exponential", "delay": 250, "jitter": 1}, Exponential(0.25, jitter=1)),
        ({"type": "task"}, "task"),
        ({"type": "my-own", "delay": 3}, "task"),  # a custom strategy of a Node worker
        ({"delay": 3}, "task"),
        ({"type": "fixed", "delay": 1e18}, Fixed(LONGEST)),
    ],
)
def test_what_node_writes(body, backoff):
    assert backoff_from_json(body) == backoff


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fixed(-1), f"backoff seconds: expected seconds (0 to {LONGEST:,}), got -1"),
        (lambda: Fixed(float("nan")), "backoff seconds: expected seconds"),
        (lambda: Fixed("5 s"), "backoff seconds: expected seconds (0 to 3,153,600,000), got '5 s'"),
        (lambda: Fixed(True), "backoff seconds: expected seconds"),
        (lambda: Exponential(1e300), "backoff seconds: expected seconds"),
        (lambda: Fixed(1, jitter=1.5), "backoff jitter: expected a share between 0 and 1, got 1.5"),
        (lambda: Fixed(1, jitter=None), "backoff jitter: expected a share between 0 and 1, got None"),
        (lambda: Exponential(5, maximum=1), "backoff maximum: expected at least 5 seconds, got 1"),
        (lambda: Exponential(5, maximum="1 h"), "backoff maximum: expected seconds"),
    ],
)
def test_a_bad_backoff_is_refused_by_field(make, message):
    with pytest.raises(InvalidOption) as caught:
        make()
    assert str(caught.value).startswith(message)


def test_the_hundredth_wait_is_still_a_number_that_a_store_can_hold():
    assert Exponential(5.0).after(100) == LONGEST
    assert Exponential(0.0).after(2_000) == 0


def test_a_rule_of_ones_own_says_seconds_or_stops():
    assert own_delay(lambda attempt: attempt * 10.0, 3) == 30
    assert own_delay(lambda _: None, 1) is None


@pytest.mark.parametrize("answer", [-1, float("inf"), float("nan"), "5", True])
def test_a_rule_of_ones_own_that_says_nonsense_is_named(answer):
    def patience(_: int) -> float:
        return answer

    with pytest.raises(InvalidOption, match=r"^backoff patience: expected seconds \(0 to [\d,]+\), got "):
        own_delay(patience, 1)


@pytest.mark.parametrize(
    ("backoff", "text"),
    [
        (Fixed(5.0), "fixed 5 s"),
        (Fixed(0.25, jitter=0.1), "fixed 250 ms, jitter 10%"),
        (Exponential(5), "exponential 5 s"),
        (Exponential(5.0, jitter=1.0, maximum=3600.0), "exponential 5 s up to 1 h, jitter 100%"),
    ],
)
def test_a_backoff_says_what_it_does(backoff, text):
    assert str(backoff) == text
