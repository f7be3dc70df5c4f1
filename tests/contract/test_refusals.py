"""Calls that would make a bad job: refused at the call, by name, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Literal

import pytest

from toril import InvalidJob, Toril
from toril.errors import InvalidArguments, InvalidData, LoopRunning, NoEventLoop, UnknownTask


@pytest.fixture
async def report(app: Toril):
    """A task with typed arguments; nothing is in its queue at the end."""

    @app.task
    async def report(start: date, *, kind: Literal["pdf", "xlsx"] = "pdf", limits: Any = None) -> None: ...

    yield report
    assert not any((await report.queue.counts()).values())


def itself() -> list:
    items: list = []
    items.append(items)
    return items


BAD: dict[str, tuple[dict[str, Any], type[InvalidJob], str]] = {
    "missing": ({}, InvalidArguments, "report.start: required"),
    "wrong type": ({"start": "soon"}, InvalidArguments, "report.start: "),
    "wrong choice": ({"start": "2026-05-01", "kind": "doc"}, InvalidArguments, "report.kind: "),
    "unknown": ({"start": "2026-05-01", "end": 5}, InvalidArguments, "report.end: no such argument"),
    "no JSON": ({"start": "2026-05-01", "limits": [1, {"a": object()}]}, InvalidData, "limits"),
    "NaN": ({"start": "2026-05-01", "limits": {"low": [1.0, float("nan")]}}, InvalidData, "limits.low[1]"),
    "infinity": ({"start": "2026-05-01", "limits": float("-inf")}, InvalidData, "limits"),
    "surrogate": ({"start": "2026-05-01", "limits": "\ud800"}, InvalidData, "limits"),
    "endless": ({"start": "2026-05-01", "limits": itself()}, InvalidData, "limits"),
}


@pytest.mark.parametrize("kind", BAD)
async def test_an_argument_that_does_not_fit(report, kind: str) -> None:
    arguments, error, place = BAD[kind]
    calls: list[Callable] = [report.enqueue, report.call, report.using(delay=5).enqueue]
    for call in calls:
        with pytest.raises(error) as refused:
            call(**arguments)  # at the call: nothing is awaited
        assert place in str(refused.value)
    if error is InvalidArguments:
        with pytest.raises(error):
            await report.queue.add("report", arguments)


@pytest.mark.parametrize(
    "data",
    [{"a": float("nan")}, object(), {"a": "\ud800"}, itself(), b"\xff"],
    ids=["nan", "object", "surrogate", "endless", "bytes"],
)
async def test_untyped_data_that_are_not_json(app: Toril, data: object) -> None:
    with pytest.raises(InvalidData, match="data"):
        await app.queue("default").add("anything", data)
    with pytest.raises(InvalidData, match="data"):
        await app.queue("default").add_many([("anything", {}), ("anything", data)])
    assert not any((await app.queue("default").counts()).values())


async def test_one_bad_call_among_many_adds_none(app: Toril, report) -> None:
    with pytest.raises(InvalidArguments):
        await app.enqueue_many(report.call(start) for start in (date(2026, 5, 1), "soon"))


async def test_a_name_that_no_task_has(app: Toril, report) -> None:
    with pytest.raises(UnknownTask, match=r"'reprot' \(known: report\); did you mean report\?"):
        app.find("reprot")


async def test_each_form_says_where_it_belongs(app: Toril, report) -> None:
    with pytest.raises(LoopRunning):
        report.enqueue_sync(date(2026, 5, 1))


def test_without_a_loop_the_other_form_is_named(app: Toril) -> None:
    greet = app.task(name="greet")(lambda: None)
    with pytest.raises(NoEventLoop, match="enqueue_sync"):
        greet.enqueue()
    with pytest.raises(NoEventLoop):
        app.enqueue_many([])


@pytest.mark.parametrize("name", ["", "a:b", 5])
async def test_a_queue_name_that_no_store_could_carry(app: Toril, name) -> None:
    with pytest.raises(InvalidJob, match="queue"):
        app.queue(name)
