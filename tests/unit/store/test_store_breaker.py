"""The breaker: open after failures in a row, one probe at a time, closed by an answer."""

from __future__ import annotations

import pytest

from toril.store.redis import breaker
from toril.store.redis.breaker import FAILURES, OPEN, PROBE, Breaker


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test moves."""
    moment = [1000.0]
    monkeypatch.setattr(breaker.time, "monotonic", lambda: moment[0])
    return moment


@pytest.fixture
def opened(now: list[float]) -> Breaker:
    tried = Breaker()
    for _ in range(FAILURES):
        assert tried.admits()
        tried.failed()
    return tried


def test_it_opens_after_failures_in_a_row(opened: Breaker) -> None:
    assert opened.is_open
    assert not opened.admits()


def test_an_answer_in_between_counts_anew(now: list[float]) -> None:
    tried = Breaker()
    for _ in range(FAILURES):
        tried.failed()
        tried.succeeded()
    assert tried.admits()
    assert not tried.is_open


def test_one_probe_at_a_time(opened: Breaker, now: list[float]) -> None:
    now[0] += OPEN
    assert [opened.admits() for _ in range(3)] == [True, False, False]
    opened.failed()
    assert not opened.admits()
    now[0] += OPEN
    assert opened.admits()
    opened.succeeded()
    assert [opened.admits() for _ in range(3)] == [True] * 3


def test_a_probe_that_was_given_up_is_followed_by_another(opened: Breaker, now: list[float]) -> None:
    now[0] += OPEN
    assert opened.admits()
    now[0] += PROBE
    assert opened.admits()
