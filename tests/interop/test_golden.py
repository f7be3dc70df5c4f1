"""The golden dumps of BullMQ 6.7: what each transition leaves in Redis. Node shows that they are right; Python obeys."""

from __future__ import annotations

from typing import Any

import pytest
from keyspace import Keys
from sides import NodeSide, PythonSide, Side

from processes import until
from toril import ManualClock

START = 1_795_331_524_337  # of the arithmetic of schedules in G21
AT_START = pytest.mark.parametrize("clock", [START], indirect=True)
JOB = {"delay": "0", "priority": "0", "timestamp": "T"}
PENDING = {"opts.maxLenEvents": "10000"}
KEPT = {"removeOnComplete": False, "removeOnFail": False}


def same(found: object, wanted: dict[str, object]) -> None:
    """Compare a job's fields: all of them, but for options that only one side writes out, and what means the same."""

    def told(opts: dict[str, Any]) -> dict[str, Any]:
        said = {
            name: value for name, value in opts.items() if name not in {"removeOnComplete", "removeOnFail", "jobId"}
        }
        return {**said, "attempts": max(said.get("attempts", 0), 1)}  # 0 and 1 both mean one try

    assert isinstance(found, dict)
    assert {**found, "opts": told(found["opts"])} == {**JOB, **wanted, "opts": told(wanted.get("opts", {}))}


async def test_g1_add(side: Side, keys: Keys) -> None:
    await side.add("Q", "echo", {"a": 1}, jobId="j")
    same(keys("Q", "j"), {"name": "echo", "data": {"a": 1}})
    assert keys("Q", "wait") == ["j"]
    assert keys("Q", "marker") == {"0": 0}
    assert keys("Q", "meta") == PENDING
    assert keys.events("Q") == ["added jobId j name echo", "waiting jobId j"]
    assert keys.names("Q") == {"j", "wait", "marker", "meta", "events"}


async def test_g2_order_of_waiting_jobs(side: Side, keys: Keys) -> None:
    for job_id, options in (("one", {}), ("two", {"lifo": True}), ("three", {})):
        await side.add("Q", "echo", jobId=job_id, **options)
    assert keys("Q", "wait") == ["three", "one", "two"]  # the last is taken first


async def test_g3_delayed(side: Side, keys: Keys) -> None:
    await side.add("Q", "echo", jobId="j", delay=60_000)
    job, (score,) = keys.raw("Q", "j"), keys.raw("Q", "delayed").values()
    due = int(score) // 4096
    assert due * 4096 == score
    assert abs(due - int(job["timestamp"]) - 60_000) < 50  # Toril's server stamps it, when it arrives
    assert abs(int(job["delay"]) - 60_000) < 50
    assert keys.raw("Q", "marker") == {"1": due}
    assert keys.raw("Q", "events") == [
        {"event": "added", "jobId": "j", "name": "echo"},
        {"event": "delayed", "jobId": "j", "delay": str(due)},
    ]
    same(keys("Q", "j"), {"name": "echo", "data": {}, "delay": "60000", "opts": {"delay": 60_000}})
    assert keys.names("Q") == {"j", "delayed", "marker", "meta", "events"}


@AT_START
async def test_g3_many_delayed_to_one_millisecond_keep_their_order(python_side: PythonSide, keys: Keys) -> None:
    for name in ("a", "b", "c"):
        await python_side.add("Q", "echo", jobId=name, delay=60_000)
    due = (START + 60_000) * 4096
    assert keys.raw("Q", "delayed") == {"a": due, "b": due + 1, "c": due + 2}


async def test_g4_active(side: Side, keys: Keys) -> None:
    await side.add("Q", "echo", jobId="j")
    assert await side.take("Q") == "j"
    same(
        keys("Q", "j"),
        {"name": "echo", "data": {}, "processedOn": "T", "ats": "1", "pb": "someone"},
    )
    assert keys("Q", "active") == ["j"]
    assert keys("Q", "marker") == {"0": 0}
    assert 0 < keys.client.pttl(f"{keys.prefix}:Q:j:lock") <= 30_000
    assert keys.events("Q") == ["added jobId j name echo", "waiting jobId j", "active jobId j prev waiting"]
    assert keys.names("Q") == {"j", "j:lock", "active", "marker", "meta", "events"}


async def test_g5_completed(side: Side, keys: Keys) -> None:
    await side.add("Q", "echo", {"ok": 1}, jobId="j", **KEPT)
    await side.run("Q")
    ended = {"ats": "1", "atm": "1", "processedOn": "T", "finishedOn": "T", "pb": "someone", "returnvalue": {"ok": 1}}
    same(keys("Q", "j"), {"name": "echo", "data": {"ok": 1}, **ended})
    assert keys("Q", "completed") == {"j": "T"}
    assert keys.events("Q") == [
        "added jobId j name echo",
        "waiting jobId j",
        "active jobId j prev waiting",
        'completed jobId j returnvalue {"ok":1} prev active',
        "drained",
    ]


async def test_g6_retried_at_once(side: Side, keys: Keys) -> None:
    await side.add("Q", "fail", {"times": 1}, jobId="j", attempts=3)
    await side.run("Q")
    job = keys("Q", "j")
    fields = ("ats", "atm", "failedReason", "stacktrace", "returnvalue", "finishedOn")
    assert [job[field] for field in fields] == ["2", "2", "boom", 1, "recovered", "T"]
    assert keys.events("Q")[2:] == [
        "active jobId j prev waiting",
        "waiting jobId j prev active",
        "active jobId j prev waiting",
        'completed jobId j returnvalue "recovered" prev active',
        "drained",
    ]


async def test_g7_waits_for_its_backoff(side: Side, keys: Keys) -> None:
    await side.add("Q", "fail", {"times": 1}, jobId="j", attempts=2, backoff={"type": "fixed", "delay": 30_000})
    await side.run("Q")
    job = keys("Q", "j")
    assert abs(int(job["delay"]) - 30_000) < 50
    assert [job[field] for field in ("ats", "atm", "failedReason", "stacktrace")] == [
        "1",
        "1",
        "boom",
        1,
    ]
    assert "finishedOn" not in job
    (score,) = keys.raw("Q", "delayed").values()
    assert score % 4096 == 0
    assert keys.raw("Q", "events")[-1] == {"event": "delayed", "jobId": "j", "delay": str(int(score) // 4096)}
    assert keys("Q", "active") is None


async def test_g8_failed_for_good(side: Side, keys: Keys) -> None:
    await side.add("Q", "fail", {"times": 9}, jobId="j")
    await side.run("Q")
    job = keys("Q", "j")
    fields = ("ats", "atm", "failedReason", "stacktrace", "finishedOn")
    assert [job[field] for field in fields] == ["1", "1", "boom", 1, "T"]
    assert keys("Q", "failed") == {"j": "T"}
    assert keys.events("Q")[2:] == [
        "active jobId j prev waiting",
        "failed jobId j failedReason boom prev active",
        "retries-exhausted jobId j attemptsMade 1",
        "drained",
    ]


async def test_g9_stalled(side: Side, keys: Keys) -> None:
    await side.add("Q", "echo", jobId="j", stalls=1)
    await side.stall("Q")
    job = keys("Q", "j")
    assert [job[field] for field in ("ats", "stc")] == ["1", "1"]
    assert "atm" not in job
    assert keys("Q", "wait") == ["j"]
    assert keys.events("Q")[2:] == ["active jobId j prev waiting", "waiting jobId j prev active", "stalled jobId j"]
    assert keys.names("Q") == {"j", "wait", "marker", "meta", "events"}
    await side.stall("Q")
    job = keys("Q", "j")
    assert [job[field] for field in ("ats", "stc")] == ["2", "2"]
    if isinstance(side, NodeSide):  # the next worker that takes it is to fail it; Toril's rescuer does so itself
        assert job["defa"]
        assert keys("Q", "wait") == ["j"]
        await side.run("Q")
    job = keys("Q", "j")
    assert "defa" not in job
    assert keys("Q", "failed") == {"j": "T"}
    failed = next(line for line in keys.events("Q") if line.startswith("failed"))
    assert failed == f"failed jobId j failedReason {job['failedReason']} prev active"


async def test_g10_paused(side: Side, keys: Keys) -> None:
    await side.add("Q", "echo", jobId="a")
    await side.pause("Q")
    await side.add("Q", "echo", jobId="b")
    await side.add("Q", "echo", jobId="c", delay=60_000)
    assert keys("Q", "meta") == {**PENDING, "paused": "1"}
    assert keys("Q", "wait") == ["b", "a"]
    assert keys("Q", "paused") is None
    assert keys("Q", "marker").keys() == {"1"}
    assert await side.take("Q") is None
    await side.resume("Q")
    assert keys("Q", "meta") == PENDING
    assert keys("Q", "marker")["0"] == 0
    assert [line for line in keys.events("Q") if "jobId" not in line] == ["paused", "resumed"]


async def test_g11_deduplicated(side: Side, keys: Keys) -> None:
    first = await side.add("Q", "echo", {"n": 1}, deduplication={"id": "x"})
    assert await side.add("Q", "echo", {"n": 2}, deduplication={"id": "x"}) == first
    assert keys("Q", "de:x") == first
    job = keys("Q", first)
    assert (job["deid"], job["data"], job["opts"]["de"]) == ("x", {"n": 1}, {"id": "x"})
    assert keys("Q", "wait") == [first]
    last = keys.raw("Q", "events")[-1]
    assert last == {
        "event": "deduplicated",
        "jobId": first,
        "deduplicationId": "x",
        "deduplicatedJobId": last["deduplicatedJobId"],
    }
    assert last["deduplicatedJobId"] not in {first, ""}


async def test_g12_debounced(side: Side, keys: Keys) -> None:
    debounce = {"deduplication": {"id": "x", "replace": True}, "delay": 60_000}
    first = await side.add("Q", "echo", {"n": 1}, **debounce)
    second = await side.add("Q", "echo", {"n": 2}, **debounce)
    assert keys("Q", "de:x") == second
    assert keys("Q", first) is None
    assert list(keys("Q", "delayed")) == [second]
    assert keys.events("Q") == [
        f"added jobId {first} name echo",
        f"delayed jobId {first} delay T",
        f"removed jobId {first} prev delayed",
        f"deduplicated jobId {second} deduplicationId x deduplicatedJobId {first}",
        f"added jobId {second} name echo",
        f"delayed jobId {second} delay T",
    ]


async def test_g13_the_last_one_is_kept_while_its_key_runs(side: Side, keys: Keys) -> None:
    keep = {"deduplication": {"id": "x", "keepLastIfActive": True}}
    first = await side.add("Q", "slow", {"ms": 500}, **keep)
    async with side.working("Q"):
        await until(lambda: keys("Q", "active"))
        assert await side.add("Q", "echo", {"n": 2}, **keep) == first
        kept = keys("Q", "dn:x")
        assert (kept["name"], kept["data"]) == ("echo", '{"n":2}')
        last = kept["jid"]
        await until(lambda: len(keys.raw("Q", "completed") or {}) == 2)
    assert keys("Q", "dn:x") is None
    assert keys("Q", "completed").keys() == {first, last}
    assert keys.events("Q")[4:] == [
        f"added jobId {last} name echo",
        f"waiting jobId {last}",
        f"completed jobId {first} returnvalue null prev active",
        f"active jobId {last} prev waiting",
        f'completed jobId {last} returnvalue {{"n":2}} prev active',
        "drained",
    ]


def family(**opts: Any) -> dict[str, Any]:
    """Return a parent with two children; `opts` are those of the first."""
    children = [
        {"name": "fail" if opts else "echo", "queueName": "C", "data": {"times": 9} if opts else {"n": 1},
         "opts": {"jobId": "c1", **opts}},
        {"name": "echo", "queueName": "C", "data": {"n": 2}, "opts": {"jobId": "c2"}},
    ]  # fmt: skip
    return {"name": "sum", "queueName": "F", "opts": {"jobId": "par"}, "children": children}


async def test_g14_flow(side: Side, keys: Keys) -> None:
    await side.flow(family())
    same(keys("F", "par"), {"name": "sum", "data": {}})
    assert keys("F", "par:dependencies") == ["P:C:c1", "P:C:c2"]
    assert keys("F", "waiting-children") == {"par": "T"}
    assert keys.events("F") == ["added jobId par name sum", "waiting-children jobId par"]
    child = {"name": "echo", "data": {"n": 1}, "parentKey": "P:F:par"}
    parent = {"id": "par", "queueKey": "P:F"}
    opts = {"parent": {"id": "par", "queue": "P:F"}}
    same(keys("C", "c1"), {**child, "opts": opts, "parent": parent})
    assert keys("C", "wait") == ["c2", "c1"]
    assert keys.names("F") - {"meta"} == {"par", "par:dependencies", "waiting-children", "events"}


async def test_g15_children_completed(side: Side, keys: Keys) -> None:
    await side.flow(family())
    await side.run("C")
    assert keys("F", "par:processed") == {"P:C:c1": '{"n":1}', "P:C:c2": '{"n":2}'}
    assert keys("F", "par:dependencies") is None
    assert keys("F", "wait") == ["par"]
    assert keys("F", "marker") == {"0": 0}
    assert keys.events("F")[-1] == "waiting jobId par prev waiting-children"
    await side.run("F")
    assert keys("F", "par")["returnvalue"] == 3


async def test_g16_a_failed_child_fails_its_parent(side: Side, keys: Keys) -> None:
    await side.flow(family(failParentOnFailure=True))
    assert keys("C", "c1")["parent"] == {"id": "par", "queueKey": "P:F", "fpof": True}
    await side.run("C")
    assert keys("F", "par:unsuccessful") == {"P:C:c1": "T"}
    assert keys("F", "par")["defa"] == "child P:C:c1 failed"
    assert keys("F", "wait") == ["par"]
    await side.run("F")
    assert keys.events("F")[-4:-1] == [
        "active jobId par prev waiting",
        "failed jobId par failedReason child P:C:c1 failed prev active",
        "retries-exhausted jobId par attemptsMade 1",
    ]
    assert "defa" not in keys("F", "par")


@pytest.mark.parametrize(
    ("flag", "kept", "released"),
    [
        ("continueParentOnFailure", {"P:C:c1": "boom"}, True),
        ("ignoreDependencyOnFailure", {"P:C:c1": "boom"}, False),
        ("removeDependencyOnFailure", None, False),
    ],
)
async def test_other_policies_for_a_failed_child(
    side: Side, keys: Keys, flag: str, kept: dict[str, str] | None, released: bool
) -> None:
    tree = family(**{flag: True})
    tree["children"][1]["opts"]["delay"] = 60_000
    await side.flow(tree)
    await side.run("C")
    assert keys("F", "par:failed") == kept
    assert keys("F", "par:dependencies") == ["P:C:c2"]
    assert keys("F", "wait") == (["par"] if released else None)
    await side.promote("C")
    await side.run("C")
    assert keys("F", "wait") == ["par"]


async def test_without_a_policy_the_parent_waits_until_its_child_is_retried(side: Side, keys: Keys) -> None:
    tree = family()
    tree["children"][0] |= {"name": "fail", "data": {"times": 1}}
    await side.flow(tree)
    await side.run("C")
    assert keys("F", "waiting-children") == {"par": "T"}
    await side.retry("C", "c1")
    await side.run("C")
    assert keys("F", "par:processed") == {"P:C:c1": '"recovered"', "P:C:c2": '{"n":2}'}
    assert keys("F", "wait") == ["par"]


async def test_g17_schedule(side: Side, keys: Keys) -> None:
    template = {"priority": 2, "attempts": 3, "removeOnComplete": True}
    await side.schedule("Q", "sid", {"every": 60_000}, "echo", {"n": 1}, template)
    ((sid, due),) = keys.raw("Q", "repeat").items()
    due = int(due)
    assert sid == "sid"
    rule = keys.raw("Q", "repeat:sid")
    assert {name: rule[name] for name in rule if name != "opts"} == {
        "name": "echo", "every": "60000", "offset": str(due % 60_000), "data": '{"n":1}', "ic": "1",
    }  # fmt: skip
    job = keys("Q", f"repeat:sid:{due}".replace(str(due), "T"))
    opts = {
        name: job["opts"][name] for name in ("jobId", "repeatJobKey", "timestamp", "repeat", "priority", "attempts")
    }
    assert opts == {
        "jobId": "repeat:sid:T", "repeatJobKey": "sid", "timestamp": "T", "priority": 2, "attempts": 3,
        "repeat": {**opts["repeat"], "every": 60_000, "count": 1},
    }  # fmt: skip
    assert [job[name] for name in ("rjk", "priority", "delay", "timestamp")] == ["sid", "2", "0", "T"]
    assert keys.raw("Q", "prioritized") == {f"repeat:sid:{due}": 2 * 2**32 + 1}


async def test_g18_cron(side: Side, keys: Keys) -> None:
    repeat = {"pattern": "0 15 3 * * *", "tz": "Europe/Madrid", "limit": 3}
    await side.schedule("Q", "sid", repeat, "echo", {"n": 1}, {})
    rule = keys.raw("Q", "repeat:sid")
    assert [rule[name] for name in ("pattern", "tz", "limit", "offset", "ic")] == [*map(str, repeat.values()), "0", "1"]
    (due,) = keys.raw("Q", "repeat").values()
    job = keys("Q", "repeat:sid:T")
    assert job["opts"]["prevMillis"] == "T"
    assert {**job["opts"]["repeat"], "offset": 0} == {**repeat, "count": 1, "offset": 0}
    assert keys.raw("Q", "delayed") == {f"repeat:sid:{int(due)}": due * 4096}


async def test_g19_one_iteration_makes_the_next(side: Side, keys: Keys) -> None:
    await side.schedule("Q", "sid", {"every": 300}, "echo", {"n": 1}, {})
    async with side.working("Q"):
        await until(lambda: len(keys.raw("Q", "completed") or {}) >= 3)
    a, b, c = list(keys.raw("Q", "completed"))[:3]
    wanted = [
        f"added jobId {a}", f"waiting jobId {a}", f"active jobId {a}", f"added jobId {b}", f"delayed jobId {b}",
        f"completed jobId {a}", f"waiting jobId {b} prev delayed", f"active jobId {b}", f"added jobId {c}",
        f"delayed jobId {c}", f"completed jobId {b}",
    ]  # fmt: skip
    told = [line for line in keys.raw_events("Q") if line != "drained"]
    assert [line for line, start in zip(told, wanted, strict=False) if not line.startswith(start)] == []


async def test_g20_rate_limited(side: Side, keys: Keys) -> None:
    await side.limit("Q", 1, 5_000)
    for job_id in ("a", "b"):
        await side.add("Q", "echo", jobId=job_id)
    assert await side.take("Q") == "a"
    assert await side.take("Q") is None
    assert keys("Q", "limiter") == "1"
    assert 0 < keys.client.pttl(f"{keys.prefix}:Q:limiter") <= 5_000
    assert keys("Q", "meta") == {**PENDING, "max": "1", "duration": "5000"}


@AT_START
async def test_g21_arithmetic_of_every(python_side: PythonSide, keys: Keys, clock: ManualClock) -> None:
    async def next_after(seconds: float, every: int) -> tuple[int, str]:
        clock.advance(seconds)
        await python_side.schedule("Q", "sid", {"every": every}, "echo", {"n": 1}, {})
        return int(keys.raw("Q", "repeat")["sid"]), keys.raw("Q", "repeat:sid")["offset"]

    assert await next_after(0, 60_000) == (START, "4337")
    await python_side.run("Q")
    assert int(keys.raw("Q", "repeat")["sid"]) == START + 60_000
    clock.advance(200)  # 140 s late: the one that waits runs, then the first slot after now
    await python_side.run("Q")
    assert int(keys.raw("Q", "repeat")["sid"]) == START + 240_000
