"""The filter language: what it reads, what it refuses, what it finds."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.errors import InvalidFilter
from toril.filter import Filter, Hints, parse
from toril.job import JobRecord, JobState

NOW = 1_800_000_000_000


def job(**changes: object) -> JobRecord:
    plain = JobRecord(
        id="7", queue="q", name="report", data="{}", opts="{}", state=JobState.FAILED, priority=0, timestamp=NOW,
        due=None, starts=1, attempts=1, stalls=0, processed_on=NOW, finished_on=NOW, progress=None, result=None,
        reason=None, stack=None, worker=None, schedule=None, tick=None, parent=None, deferred=None,
    )  # fmt: skip
    return plain._replace(**changes)


def finds(text: str, **changes: object) -> bool:
    return parse(text, NOW).matches(job(**changes))


def test_all_words_are_read() -> None:
    assert parse('state:failed name:report* data.user:42 error:Timeout since:1h "Two words" until:5m', NOW) == Filter(
        states=(JobState.FAILED,),
        name="report*",
        data=((("user",), "42"),),
        errors=("timeout",),
        texts=("two words",),
        since=NOW - 3_600_000,
        until=NOW - 300_000,
    )
    assert parse("", NOW) == parse("   ", NOW) == Filter()
    assert parse("state:failed,waiting-children id:x", NOW) == Filter(
        id="x", states=(JobState.FAILED, JobState.WAITING_CHILDREN)
    )
    assert parse(r'error:"say \"no\" \\ now"', NOW).errors == (r'say "no" \ now',)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", NOW - 90_000),
        ("2w", NOW - 14 * 86_400_000),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC).timestamp() * 1000),
        ("2026-01-31T09:00", datetime(2026, 1, 31, 9, tzinfo=UTC).timestamp() * 1000),
        ("2026-01-31T09:00+01:00", datetime(2026, 1, 31, 8, tzinfo=UTC).timestamp() * 1000),
    ],
)
def test_times_are_spans_dates_or_moments(text: str, moment: float) -> None:
    assert parse(f"since:{text}", NOW).since == moment


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("state:done", "state: expected one or more of waiting, .*, got 'done'"),
        ("state:failed state:active", "state: expected once"),
        ("name:a name:b", "name: expected once"),
        ("since:soon", "since: expected a span such as 30m"),
        ("since:5", "since: expected a span"),
        ("until:2026-13-01", "until: expected a span"),
        ("name:", "name: expected a value"),
        ("data.:1", r"data\.: expected names"),
        ("data.a..b:1", "expected names divided by single dots"),
        ("data:1", "data: no such field"),
        ("naem:report", r"naem: no such field \(known: id, state, name"),
        ("http://x", "text that has a colon stands in double quotes"),
        ('error:"no end', 'expected a word, or text between two double quotes, at "error:"no end"'),
        ('say"hi"', "expected a word"),
    ],
)
def test_what_it_cannot_read_is_said(text: str, problem: str) -> None:
    with pytest.raises(InvalidFilter, match=problem):
        parse(text, NOW)


@pytest.mark.parametrize(
    ("text", "changes", "found"),
    [
        ("name:report", {"name": "report"}, True),
        ("name:report", {"name": "reports"}, False),
        ("name:re*t", {"name": "re\nport"}, True),
        ("name:r[e]port", {"name": "report"}, False),
        ("error:TIMEOUT", {"reason": "ConnectTimeout: no"}, True),
        ("error:timeout", {"reason": None}, False),
        ("error:time error:out", {"reason": "timeout"}, True),
        ("error:time error:in", {"reason": "timeout"}, False),
        ("ana", {"data": '{"to":"Ana@x"}'}, True),
        ("ana", {"name": "banana"}, True),
        ("ana", {"data": '{"to":"bob"}'}, False),
        ("state:failed,active", {"state": JobState.ACTIVE}, True),
        ("state:failed", {"state": JobState.ACTIVE}, False),
        ("since:1m", {"finished_on": NOW - 60_000}, True),
        ("since:1m", {"finished_on": NOW - 60_001}, False),
        ("until:1m", {"finished_on": NOW - 60_000}, False),
        ("until:1m", {"finished_on": NOW - 60_001}, True),
        ("since:1m", {"state": JobState.DELAYED, "timestamp": 0, "due": NOW + 5}, True),
        ("since:1m", {"state": JobState.WAITING, "finished_on": NOW, "timestamp": 0}, False),
    ],
)
def test_words_are_held_against_a_job(text: str, changes: dict[str, object], found: bool) -> None:
    assert finds(text, **changes) is found


@pytest.mark.parametrize(
    ("text", "hints"),
    [
        ("state:failed since:1h", Hints("", "", "", "")),
        ("name:re*port* Ana", Hints("port", "", "", "ana")),
        ("data.a:1.5", Hints("", "", "", "")),
        ("data.a:15", Hints("", "15", "", "")),
        ("data.a:15*", Hints("", "", "", "")),
        ("data.a:v15* data.b:x", Hints("", "v15", "", "")),
        ('error:"hồ Chí Minh" error:x', Hints("", "", " minh", "")),
        (r'data.a:"say \"no\""', Hints("", "say ", "", "")),
    ],
)
def test_a_store_is_told_what_stands_in_whatever_matches(text: str, hints: Hints) -> None:
    assert parse(text, NOW).hints == hints


@given(
    value=st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none(),
    cut=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    escaped=st.booleans(),
)
def test_hints_stand_in_the_data_of_a_job_that_matches(value: object, cut: tuple[int, int], escaped: bool) -> None:
    shown = value if isinstance(value, str) else json.dumps(value)
    pattern = f"{shown[: cut[0]]}*{shown[cut[0] + cut[1] :]}"
    for wanted in (Filter(data=((("a",), shown),)), Filter(data=((("a",), pattern),))):
        data = json.dumps({"a": value}, ensure_ascii=escaped)
        if wanted.matches(job(data=data)):
            assert wanted.hints.data in data or r"\u00" in data


@given(reason=st.text(), start=st.integers(0, 9), length=st.integers(0, 9))
def test_hints_stand_in_the_reason_of_a_job_that_matches(reason: str, start: int, length: int) -> None:
    wanted = Filter(errors=(reason[start : start + length].casefold(),), texts=(reason[start:].casefold(),))
    if wanted.matches(job(reason=reason)) and reason.isascii():
        assert wanted.hints.error in reason.lower()
        assert wanted.hints.text in reason.lower()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("data.user.id:42", True),
        ("data.user.id:43", False),
        ("data.user:42", False),
        ("data.user.name:an*", True),
        ("data.user.name:an", False),
        ("data.items.sku:b2", True),
        ("data.items.1.sku:b2", True),
        ("data.items.0.sku:b2", False),
        ("data.tags:new", True),
        ("data.paid:true", True),
        ("data.paid:True", False),
        ("data.note:null", True),
        ("data.price:1.5", True),
        ("data.user.id:42 data.paid:false", False),
        ("data.nothing:*", False),
        ('data.user.name:"ana maria"', True),
    ],
)
def test_data_are_found_at_their_path(text: str, found: bool) -> None:
    data = (
        '{"user":{"id":42,"name":"ana maria"},"items":[{"sku":"a1"},{"sku":"b2"}],"tags":["new"],"paid":true,'
        '"note":null,"price":1.5}'
    )
    assert finds(text, data=data) is found


def test_data_that_are_no_json_match_nothing() -> None:
    assert not finds("data.user:42", data="{broken")
    assert finds("broken", data="{broken")
