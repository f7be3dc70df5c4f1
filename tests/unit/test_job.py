"""A job's ids and names, as every store must be able to carry them, and the edges between its states."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.errors import InvalidOption
from toril.job import TRANSITIONS, JobState, check_job_id, check_name

BULLMQ_KEYS = [
    "wait", "prioritized", "delayed", "active", "waiting-children", "completed", "failed", "paused", "marker", "meta",
    "id", "pc", "events", "stalled", "stalled-check", "limiter", "repeat", "de", "dn", "metrics", "priority", "delay",
]  # fmt: skip


@pytest.mark.parametrize(
    "job_id",
    [
        "welcome-42",
        "1.5",
        "a",
        "x" * 255,
        "42-welcome",
        "0x10",
        "+5",
        "ümläut",
        "a b",
        "--5",
        "waiting",
        "42\n",
        "é" * 255,
    ],
)
def test_ids_that_every_store_carries(job_id):
    assert check_job_id(job_id) == job_id


@pytest.mark.parametrize("job_id", ["0", "42", "-5", "007", "9" * 30, "٤٢"])
def test_an_integer_belongs_to_the_counter(job_id):
    with pytest.raises(InvalidOption, match=f"^job_id '{job_id}': an integer belongs to the queue's own counter"):
        check_job_id(job_id)


@pytest.mark.parametrize("job_id", ["a:b", ":", "0:1", "repeat:x:1", "a:b:c"])
def test_a_colon_divides_keys(job_id):
    with pytest.raises(InvalidOption, match=f"^job_id '{job_id}': a colon divides BullMQ's keys"):
        check_job_id(job_id)


@pytest.mark.parametrize("job_id", BULLMQ_KEYS)
def test_a_name_of_bullmqs_own_keys_would_overwrite_them(job_id):
    with pytest.raises(InvalidOption, match=f"^job_id '{job_id}': BullMQ keeps a key of its own under that name"):
        check_job_id(job_id)


@pytest.mark.parametrize("job_id", ["", "x" * 256, 42, None, b"a", "a\ud800", True])
def test_an_id_is_text(job_id):
    with pytest.raises(InvalidOption, match=f"^job_id {re.escape(repr(job_id))}: expected text of 1 to 255 characters"):
        check_job_id(job_id)


@given(st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=40))
def test_what_bullmq_refuses_is_refused(job_id):
    refused_by_node = re.fullmatch(r"0|-?[1-9]\d*", job_id) is not None
    try:
        check_job_id(job_id)
    except InvalidOption:
        return
    assert not refused_by_node


@pytest.mark.parametrize("name", ["welcome", "a:b", "送信", "42", " ", "x" * 5_000])
def test_names_that_every_store_carries(name):
    assert check_name("job", name) == name


@pytest.mark.parametrize("name", ["", None, 42, b"a", "\udce9"])
def test_a_name_is_text(name):
    with pytest.raises(InvalidOption, match=f"^job {re.escape(repr(name))}: expected text of at least one character"):
        check_name("job", name)


def test_every_state_has_its_edges():
    assert TRANSITIONS.keys() == set(JobState)
    assert all(state not in ends for state, ends in TRANSITIONS.items())
    reachable, fresh = set(), {JobState.WAITING, JobState.PRIORITIZED, JobState.DELAYED, JobState.WAITING_CHILDREN}
    while fresh:
        reachable |= fresh
        fresh = set().union(*(TRANSITIONS[state] for state in fresh)) - reachable
    assert reachable == set(JobState)


def test_the_words_are_bullmqs():
    words = "waiting prioritized delayed waiting-children active completed failed"
    assert [str(state) for state in JobState] == words.split()
