"""Bad input to the engine: one clear error, at the caller, that names the field and what was expected; nothing written."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from toril import InvalidJob, Toril, TorilError, Worker
from toril.errors import (
    ConfigurationError,
    InvalidArguments,
    InvalidData,
    InvalidOption,
    InvalidSchedule,
    InvalidStoreURL,
    JobNotFound,
    LoopRunning,
    NoEventLoop,
    UnknownTask,
)
from toril.settings import Settings
from toril.task import Task

NAN = math.nan
NAIVE = datetime(2027, 1, 1)  # noqa: DTZ001

Welcome = Task[[str, int], None]


@pytest.fixture
async def welcome(app: Toril) -> AsyncIterator[Welcome]:
    """A task whose queue must be as empty at the end as at the start."""

    @app.task(queue="emails")
    async def welcome(to: str, copies: int = 1, extra: Any = None) -> None: ...

    yield welcome
    assert set((await app.queue("emails").counts()).values()) == {0}
    assert await app.store.queues() == []
    assert await app.store.cursor() == "0"


# A task's call


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "message"),
    [
        ((), {}, InvalidArguments, "welcome.to: required"),
        ((7,), {}, InvalidArguments, "welcome.to: Input should be a valid string, got 7"),
        (("ana",), {"copies": "many"}, InvalidArguments, "welcome.copies: Input should be a valid integer"),
        (("ana",), {"copy": 2}, InvalidArguments, "welcome.copy: no such argument"),
        (("ana",), {"to": "eva"}, InvalidArguments, "welcome.to: given twice, by position and by name"),
        (("ana", 1, 2, 3), {}, InvalidArguments, "welcome: expected at most 3 arguments by position, got 4"),
        (("ana",), {"extra": NAN}, InvalidData, "welcome.extra: expected a finite number, found nan"),
        (("ana",), {"extra": {"price": [NAN]}}, InvalidData, "welcome.extra.price[0]: expected a finite number"),
        (("ana",), {"extra": object()}, InvalidData, "welcome.extra: expected JSON, found object"),
        (("ana",), {"extra": "\ud800"}, InvalidData, "welcome.extra: expected text, found a lone surrogate"),
    ],
)
async def test_arguments_are_checked_where_the_call_is_made(welcome, args, kwargs, error, message):
    for call in (welcome.call, welcome.enqueue, welcome.enqueue_sync):  # without an await: it raises at the call
        with pytest.raises(error) as caught:
            call(*args, **kwargs)
        assert str(caught.value).startswith(message)
        assert isinstance(caught.value, InvalidJob)


async def test_of_many_calls_a_wrong_one_keeps_all_from_being_added(app, welcome):
    with pytest.raises(InvalidArguments, match=r"^welcome\.to: required"):
        app.enqueue_many(welcome.call(*args) for args in [("ana",), (), ("eva",)])
    for wrong in (welcome, "welcome", None):
        with pytest.raises(InvalidJob, match=f"^enqueue_many: expected calls, such as task.call.*, got {wrong!r}"):
            app.enqueue_many([welcome.call("ana"), wrong])
        with pytest.raises(InvalidJob, match=r"^enqueue_many: expected calls"):
            app.enqueue_many_sync([wrong])
    forgotten = welcome.enqueue("ana")
    with pytest.raises(InvalidJob, match=r"^enqueue_many: expected calls, such as task\.call.*, got <coroutine"):
        app.enqueue_many([forgotten])
    forgotten.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attemps": 3}, "attemps: no such option (known: attempts, "),
        ({"attempts": 0}, "attempts: expected a whole number from 1, got 0"),
        ({"priority": -1}, "priority: expected a whole number from 0 to 2,097,151, got -1"),
        ({"delay": -5}, "delay: expected seconds (0 to 3,153,600,000) or a timedelta, got -5"),
        ({"delay": NAN}, "delay: expected seconds"),
        ({"delay": timedelta.max}, "delay: expected seconds"),
        ({"run_at": NAIVE}, "run_at: expected a datetime with a time zone, got datetime.datetime(2027, 1, 1, 0, 0)"),
        ({"run_at": datetime.now(UTC), "delay": 5}, "delay, run_at: expected one of them, got both"),
        ({"timeout": "1 min"}, "timeout: expected seconds (0.001 to 3,153,600,000) or a timedelta, got '1 min'"),
        ({"backoff": 5}, "backoff: expected Fixed(…), Exponential(…) or a function, got 5"),
        (
            {"backoff": lambda _: 1.0},
            "backoff: expected Fixed(…) or Exponential(…) here; a function belongs to @app.task",
        ),
        (
            {"keep_failed": "all"},
            "keep_failed: expected a count (0 or more), a timedelta or Keep(count, age), got 'all'",
        ),
        ({"job_id": "42"}, "job_id '42': an integer belongs to the queue's own counter; put a word before it"),
        ({"job_id": "a:b"}, "job_id 'a:b': a colon divides BullMQ's keys; use another character"),
        ({"job_id": "\ud800"}, "job_id '\\ud800': expected text of 1 to 255 characters, without lone surrogates"),
    ],
)
async def test_options_are_checked_where_they_are_given(app, welcome, options, message):
    with pytest.raises(InvalidOption) as caught:
        welcome.using(**options)
    assert str(caught.value).startswith(message)
    with pytest.raises(InvalidOption) as caught:
        await app.queue("emails").add("welcome", {"to": "ana"}, **options)
    assert str(caught.value).startswith(message)


# Jobs by name


@pytest.mark.parametrize(
    ("name", "data", "error", "message"),
    [
        ("receipt", {"total": NAN}, InvalidData, "data.total: expected a finite number, found nan"),
        ("receipt", [1, {2: -math.inf}], InvalidData, "data[1].2: expected a finite number, found -inf"),
        ("receipt", {"pdf": b"\xff"}, InvalidData, "data.pdf: expected JSON, found bytes"),
        ("receipt", {"when": object()}, InvalidData, "data.when: expected JSON, found object"),
        ("welcome", {}, InvalidArguments, "welcome.to: required"),
        ("welcome", {"to": 7}, InvalidArguments, "welcome.to: Input should be a valid string, got 7"),
        ("welcome", ["ana"], InvalidArguments, "welcome: Input should be an object"),
        ("", {}, InvalidOption, "job '': expected text of at least one character, without lone surrogates"),
        (None, {}, InvalidOption, "job None: expected text of at least one character"),
        ("caf\udce9", {}, InvalidOption, "job 'caf\\udce9': expected text of at least one character"),
    ],
)
async def test_a_job_by_name_is_checked_before_it_is_added(app, welcome, name, data, error, message):
    queue = app.queue("emails")
    with pytest.raises(error) as caught:
        await queue.add(name, data)
    assert str(caught.value).startswith(message)
    with pytest.raises(error) as caught:
        await queue.add_many([("receipt", {"total": 1}), (name, data), ("receipt", {"total": 2})])
    assert str(caught.value).startswith(message)


async def test_add_many_takes_pairs_and_no_id(app, welcome):
    for wrong in ("welcome", ("welcome",), ("welcome", {}, 3), None):
        with pytest.raises(InvalidData, match=re.escape(f"add_many: expected (name, data), got {wrong!r}")):
            await app.queue("emails").add_many([("receipt", {}), wrong])
    with pytest.raises(InvalidOption, match=r"^job_id: belongs to one job, expected in add\("):
        await app.queue("emails").add_many([("receipt", {}), ("receipt", {})], job_id="receipt-1")


async def test_an_unknown_task_is_named_with_those_that_are_known(app, welcome):
    with pytest.raises(UnknownTask) as caught:
        app.find("welcom")
    assert str(caught.value) == "no worker here knows task 'welcom' (known: welcome); did you mean welcome?"
    assert app.find("welcome") is welcome


# What is asked of a queue or a job


async def test_questions_are_checked_too(app):
    @app.task(queue="emails")
    async def welcome(to: str) -> None: ...

    queue = app.queue("emails")
    job = await queue.add("receipt")
    questions: list[tuple[Callable[[], Awaitable[Any]], str]] = [
        (lambda: queue.jobs("done"), "state 'done': expected one of waiting, prioritized, delayed, "),
        (lambda: queue.jobs("failed", limit=0), "limit: expected a whole number from 1 to 1,000, got 0"),
        (lambda: queue.jobs("failed", limit="5"), "limit: expected a whole number from 1 to 1,000, got '5'"),
        (lambda: queue.jobs("failed", offset=9_999), "offset: expected a whole number from 0 to 9,900, got 9999"),
        (lambda: queue.search("", limit=1.5), "limit: expected a whole number from 1 to 1,000, got 1.5"),
        (lambda: queue.retry_all("active"), "state 'active': expected one of completed, failed"),
        (lambda: queue.retry_many(["7"], "lost"), "state 'lost': expected one of completed, failed"),
        (lambda: queue.clean("failed", older_than="1d"), "older_than: expected seconds (0 to 3,153,600,000) or a"),
        (lambda: queue.clean("failed", limit=0), "limit: expected a whole number from 1, got 0"),
        (lambda: queue.metrics("60"), "minutes: expected a whole number from 1 to 10,080, got '60'"),
        (lambda: queue.failures(within="1"), "within: expected seconds (0 to 3,153,600,000) or a timedelta, got '1'"),
        (lambda: queue.get(7), "job_id: expected text, got 7"),
        (lambda: job.result(timeout="3"), "timeout: expected seconds (0 to 3,153,600,000) or a timedelta, got '3'"),
        (lambda: app.schedule(welcome, id="often", every=60), "call: expected task.call(…), got <Task welcome on "),
        (lambda: app.enqueue_flow(welcome.call("a")), "flow: expected Flow(task.call(…), [children]), got <Call "),
    ]
    for ask, message in questions:
        with pytest.raises(InvalidOption) as caught:
            await ask()
        assert str(caught.value).startswith(message)
    with pytest.raises(ConfigurationError, match=r"^queues: expected names of queues, got 'emails' alone"):
        await app.run_pending("emails")
    with pytest.raises(JobNotFound, match=r"^queue emails has no job 7$"):
        await queue.retry("7")
    assert await queue.get("welcome-42") is None


# Declarations


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"attempts": "3"}, InvalidOption, "attempts: expected a whole number from 1, got '3'"),
        ({"attemps": 3}, InvalidOption, "attemps: no such option"),
        ({"delay": 3}, InvalidOption, "delay: belongs to one job, expected in using(...) or add(...)"),
        ({"job_id": "a"}, InvalidOption, "job_id: belongs to one job"),
        ({"queue": "a:b"}, InvalidOption, "queue 'a:b': expected a name without a colon, which divides BullMQ's keys"),
        ({"queue": ""}, InvalidOption, "queue '': expected text of at least one character"),
        ({"name": ""}, InvalidOption, "task '': expected text of at least one character"),
        ({"name": "welcome"}, ConfigurationError, "task welcome: registered twice; give one of them another name"),
        (
            {"process": True},
            ConfigurationError,
            "task receipt: process=True expects a plain function without JobContext",
        ),
    ],
)
async def test_a_task_is_checked_where_it_is_declared(app, welcome, options, error, message):
    async def receipt(total: float) -> None: ...

    with pytest.raises(error) as caught:
        app.task(**options)(receipt)
    assert str(caught.value).startswith(message)
    assert list(app.tasks) == ["welcome"]


async def test_a_queues_defaults_are_checked_where_they_are_declared(app, welcome):
    app.queue("emails", attempts=3)
    for wrong, message in ({"attempts": 0}, "attempts: "), ({"lifo": True}, "lifo: belongs to one job"):
        with pytest.raises(InvalidOption, match=f"^{message}"):
            app.queue("emails", **wrong)
    assert app.queue("emails").options == {"attempts": 3}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 25 * * *", "cron '0 25 * * *': hour: expected 0-23, got '25'"),
        ("0 9 * * * * *", "cron '0 9 * * * * *': expected up to 6 fields"),
        ("", "cron '': expected up to 6 fields"),
        ("every day", "cron 'every day': month: expected 1-12 or JAN-DEC, got 'every'"),
        ("0 0 30 2 *", "cron '0 0 30 2 *': day of month: expected a day that month 2 has, or it would never fire"),
        ("@dayly", "cron '@dayly': expected fields or one of @secondly"),
        (None, "cron: expression: expected text, got None"),
    ],
)
async def test_a_bad_cron_line_is_refused_where_it_is_declared(app, welcome, line, message):
    with pytest.raises(InvalidSchedule) as caught:
        app.cron(line)
    assert str(caught.value).startswith(message)
    assert app.declared_schedules() == []


async def test_the_rest_of_a_schedule_is_checked_too(app, welcome):
    with pytest.raises(InvalidSchedule, match=r"^cron: tz: expected an IANA zone such as 'Europe/Berlin', got 'Hanoi'"):
        app.cron("0 9 * * *", tz="Hanoi")
    with pytest.raises(InvalidSchedule, match=r"^missed: expected once, skip or all, got 'never'"):
        app.cron("0 9 * * *", missed="never")
    for wrong in (0, -1, NAN, math.inf, "5", None, True, timedelta(0), timedelta(microseconds=10)):
        with pytest.raises(InvalidSchedule) as caught:
            app.every(wrong)
        assert str(caught.value) == f"every: expected seconds (0.001 to 3,153,600,000) or a timedelta, got {wrong!r}"
    with pytest.raises(
        ConfigurationError, match=r"^task welcome: a schedule has no arguments to give: welcome\.to: requ"
    ):
        app.cron("0 9 * * *")(welcome)
    assert app.declared_schedules() == []

    twice = app.every(60)(app.task(name="sweep")(lambda: None))
    with pytest.raises(ConfigurationError, match=r"^task sweep: has a schedule already"):
        app.cron("0 9 * * *")(twice)


async def test_a_processor_is_checked_where_it_is_declared(app, welcome):
    with pytest.raises(ConfigurationError, match=r"^processor bank: expected one parameter annotated JobContext"):

        @app.processor("bank")
        async def bank(job: Any) -> None: ...

    assert app.processors == {}


@pytest.mark.parametrize(
    ("queues", "message"),
    [
        ({"emails": 0}, "queues['emails']: expected a whole number from 1, got 0"),
        ({"emails": "5"}, "queues['emails']: expected a whole number from 1, got '5'"),
        ({"a:b": 1}, "queue 'a:b': expected a name without a colon"),
        ({}, "queues: expected at least one"),
        (["emails"], "queues: expected slots by queue, such as {'emails': 5}, got ['emails']"),
    ],
)
async def test_a_worker_is_checked_where_it_is_made(app, welcome, queues, message):
    with pytest.raises((ConfigurationError, InvalidOption)) as caught:
        Worker(app, queues)
    assert str(caught.value).startswith(message)


# Where and how


def test_a_store_url_with_a_typo_is_refused_where_the_application_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidStoreURL) as caught:
        Toril("sqlit:///jobs.db", settings=Settings(env={}, dotenv=None))
    expected = "expected a URL that begins with sqlite:// or redis://; did you mean sqlite://?"
    assert str(caught.value) == f"sqlit:///jobs.db: {expected}"
    with pytest.raises(InvalidStoreURL, match=r"^sqlite:/jobs\.db: "):
        Toril(settings=Settings(env={"TORIL_URL": "sqlite:/jobs.db"}, dotenv=None))
    assert list(tmp_path.iterdir()) == []


def test_enqueue_without_a_loop_says_at_the_call_what_to_use(make_sync_app):
    app, path = make_sync_app

    @app.task
    async def welcome(to: str) -> None: ...

    with pytest.raises(NoEventLoop, match=r"^no event loop runs here: use welcome\.enqueue_sync\(\.\.\.\)"):
        welcome.enqueue("ana")
    with pytest.raises(NoEventLoop, match=r"^no event loop runs here: use app\.enqueue_many_sync\(\.\.\.\)"):
        app.enqueue_many([welcome.call("ana")])
    assert not path.exists()


async def test_blocking_calls_on_a_loops_own_thread_are_refused(app, welcome):
    with pytest.raises(LoopRunning, match=r"^An event loop runs on this thread: await the coroutine"):
        welcome.enqueue_sync("ana")
    with pytest.raises(LoopRunning):
        app.run(app.queue("emails").add("welcome", {"to": "ana"}))


@pytest.fixture
def make_sync_app(tmp_path: Path) -> tuple[Toril, Path]:
    path = tmp_path / "jobs.db"
    return Toril(f"sqlite:///{path}", settings=Settings(env={}, dotenv=None)), path


def test_every_error_of_bad_input_is_torils_own():
    kinds = [InvalidArguments, InvalidData, InvalidOption, InvalidSchedule, InvalidStoreURL, UnknownTask, NoEventLoop]
    assert all(issubclass(kind, TorilError) for kind in kinds)
