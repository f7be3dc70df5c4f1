"""Options: what each may be, how queue, task and call are laid over each other, and BullMQ's `opts`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril import Exponential, Fixed, Keep
from toril.clock import LONGEST
from toril.errors import InvalidOption
from toril.options import KEEP_COMPLETED, KEEP_FAILED, Policy, TaskOptions, declared, resolve

NAN = float("nan")
MOMENT = datetime(2027, 1, 2, tzinfo=UTC)


def test_without_options_a_job_runs_once_and_keeps_within_bounds():
    assert resolve() == Policy(attempts=1, backoff=None, keep_completed=KEEP_COMPLETED, keep_failed=KEEP_FAILED)
    assert KEEP_COMPLETED.count is not None
    assert KEEP_FAILED.count is not None


def test_a_later_layer_wins_field_by_field():
    queue = {"attempts": 3, "priority": 5, "timeout": 10, "backoff": Fixed(1)}
    task = {"attempts": 4, "timeout": timedelta(seconds=20), "backoff": None}
    using = {"attempts": 5, "delay": timedelta(minutes=1)}
    policy = resolve(queue, task, using)
    assert policy == Policy(attempts=5, priority=5, timeout=20.0, backoff=None, delay=60.0)


@pytest.mark.parametrize(
    ("option", "value", "field", "resolved"),
    [
        ("attempts", 1, "attempts", 1),
        ("backoff", Exponential(5.0), "backoff", Exponential(5.0)),
        ("priority", 0, "priority", 0),
        ("priority", 2_097_151, "priority", 2_097_151),
        ("timeout", 1.5, "timeout", 1.5),
        ("timeout", timedelta(minutes=1), "timeout", 60.0),
        ("timeout", None, "timeout", None),
        ("keep_completed", 0, "keep_completed", Keep(0)),
        ("keep_completed", 10, "keep_completed", Keep(10)),
        ("keep_failed", timedelta(days=1), "keep_failed", Keep(age=86_400.0)),
        ("keep_failed", Keep(3, 60), "keep_failed", Keep(3, 60.0)),
        ("keep_failed", Keep(), "keep_failed", Keep()),
        ("max_stalls", 0, "max_stalls", 0),
        ("delay", 0, "delay", 0.0),
        ("delay", timedelta(hours=1), "delay", 3600.0),
        ("run_at", MOMENT, "run_at", 1_798_848_000_000),
        ("run_at", MOMENT.astimezone(timezone(timedelta(hours=7))), "run_at", 1_798_848_000_000),
        ("lifo", True, "lifo", True),
        ("job_id", "welcome-42", "job_id", "welcome-42"),
        ("job_id", None, "job_id", None),
    ],
)
def test_what_an_option_may_be(option, value, field, resolved):
    assert getattr(resolve({option: value}), field) == resolved


WHOLE = [-1, 1.0, "3", None, True, NAN]
SECONDS = [-0.001, "5", NAN, float("inf"), LONGEST + 1, True, timedelta(seconds=-1), timedelta.max]


@pytest.mark.parametrize(
    ("option", "expected", "values"),
    [
        ("attempts", "a whole number from 1", [*WHOLE, 0]),
        ("priority", "a whole number from 0 to 2,097,151", [*WHOLE, 2_097_152]),
        ("max_stalls", "a whole number from 0", WHOLE),
        ("timeout", "seconds (0.001 to 3,153,600,000) or a timedelta", SECONDS),
        ("timeout", "seconds (0.001 to 3,153,600,000)", [0, 0.0, 0.0004, timedelta(0)]),
        ("delay", "seconds (0 to 3,153,600,000) or a timedelta", [*SECONDS, None, MOMENT]),
        ("run_at", "a datetime with a time zone", [MOMENT.replace(tzinfo=None), 5, "2027-01-02", None, MOMENT.date()]),
        ("lifo", "True or False", [1, "yes", None]),
        ("backoff", "Fixed(…), Exponential(…) or a function", [5, "exponential", {"type": "fixed"}]),
        ("keep_completed", "a count (0 or more), a timedelta or Keep(count, age)", [-1, 1.5, None, True, "all", {}]),
        ("keep_failed", "a count (0 or more), a timedelta or Keep(count, age)", [-1]),
    ],
)
def test_a_bad_value_is_refused_by_field(option, expected, values):
    for value in values:
        with pytest.raises(InvalidOption) as caught:
            resolve({option: value})
        assert str(caught.value).startswith(f"{option}: expected {expected}"), value


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (Keep(count=-1), "keep_failed.count: expected a whole number from 0, got -1"),
        (Keep(count="5"), "keep_failed.count: expected a whole number from 0, got '5'"),
        (Keep(age=NAN), "keep_failed.age: expected seconds"),
        (Keep(age=LONGEST * 2), "keep_failed.age: expected seconds"),
    ],
)
def test_a_bad_bound_is_refused_by_field(keep, message):
    with pytest.raises(InvalidOption) as caught:
        resolve({"keep_failed": keep})
    assert str(caught.value).startswith(message)


def test_delay_and_run_at_exclude_each_other():
    with pytest.raises(InvalidOption, match=r"^delay, run_at: expected one of them, got both"):
        resolve({"delay": 5}, {"run_at": MOMENT})


def test_a_misspelt_option_is_refused_with_a_hint():
    with pytest.raises(InvalidOption, match=r"^attemps: no such option \(known: attempts, .*\); did you mean attem"):
        resolve({"attemps": 3})
    with pytest.raises(InvalidOption, match=r"^colour: no such option \(known: [^;]*$"):
        resolve({"colour": "red"})


@pytest.mark.parametrize("option", ["delay", "run_at", "lifo", "job_id"])
def test_what_one_job_says_of_itself_is_nothing_to_declare(option):
    with pytest.raises(InvalidOption, match=f"^{option}: belongs to one job"):
        declared({option: None})
    assert option not in TaskOptions.__annotations__


async def test_queue_then_task_then_using(app):
    @app.task(queue="emails", attempts=3, timeout=60)
    async def welcome() -> None: ...

    queue = app.queue(
        "emails", attempts=2, priority=5, backoff=Exponential(5.0)
    )  # after the task: it counts all the same
    assert welcome.policy == Policy(attempts=3, priority=5, timeout=60.0, backoff=Exponential(5.0))
    once = welcome.using(attempts=4, backoff=None).using(priority=1)
    assert once.policy == Policy(attempts=4, priority=1, timeout=60.0, backoff=None)
    assert welcome.policy.attempts == 3

    typed, untyped, other = await once.enqueue(), await queue.add("welcome", priority=2), await queue.add("other")
    assert Policy.from_json((await typed.refresh()).opts) == once.policy
    assert Policy.from_json((await untyped.refresh()).opts) == Policy(3, Exponential(5.0), priority=2, timeout=60.0)
    assert Policy.from_json((await other.refresh()).opts) == Policy(2, Exponential(5.0), priority=5)


async def test_a_job_carries_no_function(app):
    @app.task
    async def welcome() -> None: ...

    with pytest.raises(
        InvalidOption, match=r"^backoff: expected Fixed\(…\) or Exponential\(…\) here; a function belongs to @app\.task"
    ):
        welcome.using(backoff=lambda _: 1.0)
    with pytest.raises(InvalidOption, match=r"^backoff: expected Fixed\(…\) or Exponential\(…\) here"):
        await app.queue("default").add("welcome", backoff=lambda _: 1.0)


# The JSON that travels with a job


def test_opts_are_bullmqs_words():
    policy = resolve(
        {"attempts": 3, "backoff": Exponential(5.0, jitter=0.5), "priority": 2, "lifo": True, "timeout": 1.5},
        {"keep_completed": 100, "keep_failed": Keep(5, 3600), "max_stalls": 1, "delay": 5, "job_id": "a"},
        {"if_failed": "fail_parent"},
    )
    assert json.loads(policy.to_json()) == {
        "attempts": 3,
        "backoff": {"type": "exponential", "delay": 5000, "jitter": 0.5},
        "priority": 2,
        "delay": 5000,
        "lifo": True,
        "fpof": True,
        "removeOnComplete": {"count": 100},
        "removeOnFail": {"age": 3600, "count": 5},
        "toril": {"stalls": 1, "timeout": 1500},
    }


@pytest.mark.parametrize(("keep", "flag"), [(Keep(0), True), (Keep(), False), (Keep(0, 60), True)])
def test_flags_stand_for_none_and_for_all(keep, flag):
    assert json.loads(resolve({"keep_completed": keep}).to_json())["removeOnComplete"] is flag


milliseconds = st.integers(1, 10**9).map(lambda number: number / 1000)
keeps = st.builds(Keep, st.none() | st.integers(1, 10**6), st.none() | st.integers(0, 10**6).map(float)) | st.just(
    Keep(0)
)


@given(
    st.builds(
        Policy,
        attempts=st.integers(1, 100),
        backoff=st.none() | st.builds(Fixed, milliseconds) | st.builds(Exponential, milliseconds, st.floats(0, 1)),
        priority=st.integers(0, 2**21 - 1),
        timeout=st.none() | milliseconds,
        keep_completed=keeps,
        keep_failed=keeps,
        max_stalls=st.integers(0, 9),
        delay=milliseconds,
        lifo=st.booleans(),
        if_failed=st.sampled_from(["wait", "fail_parent", "continue_parent", "ignore_dependency", "remove_dependency"]),
        missed=st.sampled_from([None, "skip", "all"]),
    )
)
def test_a_policy_reads_back_what_it_wrote(policy):
    assert Policy.from_json(policy.to_json()) == policy


def test_a_rule_of_the_tasks_own_is_left_to_the_task():
    assert Policy.from_json(resolve({"backoff": lambda _: 1.0}).to_json()).backoff == "task"
    assert Policy.from_json(Policy(backoff="task").to_json()).backoff == "task"


@pytest.mark.parametrize(
    ("opts", "policy"),
    [
        ("{}", Policy(keep_completed=Keep(), keep_failed=Keep())),
        ('{"attempts":0}', Policy(keep_completed=Keep(), keep_failed=Keep())),
        (
            '{"attempts":3,"backoff":{"type":"exponential","delay":1000,"jitter":0.5},"removeOnComplete":true}',
            Policy(attempts=3, backoff=Exponential(1.0, 0.5), keep_completed=Keep(0), keep_failed=Keep()),
        ),
        ('{"attempts":3,"backoff":5000}', Policy(3, Fixed(5.0), keep_completed=Keep(), keep_failed=Keep())),
        ('{"backoff":{"type":"mine"}}', Policy(backoff="task", keep_completed=Keep(), keep_failed=Keep())),
        ('{"removeOnComplete":100,"removeOnFail":false}', Policy(keep_completed=Keep(100), keep_failed=Keep())),
        ('{"removeOnComplete":-1,"removeOnFail":{"count":-1}}', Policy(keep_completed=Keep(), keep_failed=Keep())),
        (
            '{"removeOnComplete":{"age":3600,"limit":10},"removeOnFail":{"count":5,"age":1e18}}',
            Policy(keep_completed=Keep(None, 3600), keep_failed=Keep(5, LONGEST)),
        ),
        ('{"priority":7,"lifo":true,"delay":5,"jobId":"x","kl":9,"toril":{}}',
         Policy(priority=7, delay=0.005, lifo=True, keep_completed=Keep(), keep_failed=Keep(), keep_logs=9)),
        ('{"omc":true,"tm":7,"toril":{"link":"{}"}}',
         Policy(own_trace=True, link="{}", keep_completed=Keep(), keep_failed=Keep())),
        ('{"tm":"{}"}', Policy(trace="{}", keep_completed=Keep(), keep_failed=Keep())),
        ('{"fpof":true,"idof":true}', Policy(if_failed="fail_parent", keep_completed=Keep(), keep_failed=Keep())),
    ],
)  # fmt: skip
def test_what_node_writes(opts, policy):
    assert Policy.from_json(opts) == policy


@pytest.mark.parametrize(
    "opts",
    [
        "", "null", "[]", "3", '"x"', "{", '{"attempts":"many"}', '{"attempts":{"a":1}}', '{"backoff":"exponential"}',
        '{"backoff":{"type":"fixed","delay":"5s"}}', '{"backoff":{"type":"fixed","delay":-5}}',
        '{"backoff":{"type":"exponential","delay":5,"jitter":2}}', '{"backoff":[1]}', '{"priority":"high"}',
        '{"removeOnComplete":"yes"}', '{"removeOnFail":{"count":"5"}}', '{"removeOnFail":{"age":[]}}',
        '{"toril":"x"}', '{"toril":{"timeout":"5"}}', '{"toril":{"stalls":null}}', '{"attempts":1e999}',
    ],
)  # fmt: skip
def test_opts_that_nobody_understands_are_a_value_error(opts):
    with pytest.raises(ValueError):
        Policy.from_json(opts)
