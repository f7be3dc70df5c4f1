"""What others have left in Redis: each piece fails or is skipped alone, with a reason, and the jobs beside it run."""

from __future__ import annotations

from typing import Any

import pytest
from keyspace import Keys
from sides import NodeSide, PythonSide

from processes import until

FIELDS = {
    "name": "echo",
    "data": '{"n":1}',
    "opts": '{"attempts":1}',
    "timestamp": "1795000000000",
    "delay": "0",
    "priority": "0",
}


def put(keys: Keys, job_id: str, place: str = "wait", **fields: str) -> None:
    """Write a job by hand, as broken as given, where it is taken first."""
    base = f"{keys.prefix}:Q:"
    keys.client.hset(f"{base}{job_id}", mapping={**FIELDS, **fields})
    if place == "wait":
        keys.client.rpush(f"{base}wait", job_id)
    else:
        keys.client.zadd(f"{base}{place}", {job_id: 1})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"data": "{not json"}, "ValueError"),
        ({"data": "NaN"}, "InvalidData"),
        ({"opts": "{not json"}, "opts"),
        ({"opts": '{"attempts":"many"}'}, "opts"),
        ({"opts": '{"attempts":1,"backoff":{"type":"?"}}', "name": "fail", "data": '{"times":1}'}, "boom"),
        ({"name": "nobody knows it"}, "nobody knows it"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_broken_job_fails_alone(
    python_side: PythonSide, keys: Keys, fields: dict[str, str], reason: str
) -> None:
    await python_side.add("Q", "echo", {"n": 2}, jobId="good")
    put(keys, "bad", **fields)
    await python_side.run("Q")
    assert keys.raw("Q", "completed").keys() == {"good"}
    assert keys.raw("Q", "failed").keys() == {"bad"}
    assert reason in keys.raw("Q", "bad")["failedReason"]
    assert keys.raw("Q", "active") is None


@pytest.mark.parametrize(
    "opts",
    [
        '{"attempts":-3,"delay":-5,"priority":-1}',
        '{"attempts":1e99,"removeOnComplete":"yes","removeOnFail":-1}',
        '{"attempts":null,"backoff":null,"lifo":"no","kl":0}',
        '{"attempts":[],"de":{}}',
        "{}",
        "[]",
        '{"toril":"mine"}',
        '{"repeat":{"every":"x"}}',
    ],
)
async def test_absurd_options_do_no_harm(python_side: PythonSide, keys: Keys, opts: str) -> None:
    """Whatever becomes of the job, it comes to an end, and the one behind it runs."""
    await python_side.add("Q", "echo", {"n": 2}, jobId="good")
    put(keys, "bad", opts=opts)
    await python_side.run("Q")
    assert "good" in keys.raw("Q", "completed")
    ended = {*keys.raw("Q", "completed"), *(keys.raw("Q", "failed") or {})}
    assert "bad" in ended or keys.raw("Q", "bad") is None
    assert (keys.raw("Q", "active"), keys.raw("Q", "wait")) == (None, None)


@pytest.mark.parametrize("place", ["wait", "prioritized", "delayed"])
async def test_an_id_without_a_job_is_skipped(python_side: PythonSide, keys: Keys, place: str) -> None:
    await python_side.add("Q", "echo", {"n": 2}, jobId="good")
    put(keys, "phantom", place)
    keys.client.delete(f"{keys.prefix}:Q:phantom")
    await python_side.run("Q")
    assert keys.raw("Q", "completed").keys() == {"good"}
    assert (keys.raw("Q", "active"), keys.raw("Q", "wait"), keys.raw("Q", "phantom")) == (None, None, None)


async def test_old_markers_in_the_line_are_dropped(python_side: PythonSide, keys: Keys) -> None:
    await python_side.add("Q", "echo", {"n": 2}, jobId="good")
    keys.client.rpush(f"{keys.prefix}:Q:wait", "0:1795000000000")
    await python_side.run("Q")
    assert keys.raw("Q", "completed").keys() == {"good"}
    assert (keys.raw("Q", "active"), keys.raw("Q", "wait")) == (None, None)


async def test_a_key_of_another_type(python_side: PythonSide, keys: Keys) -> None:
    await python_side.add("Q", "echo", {"n": 2}, jobId="good")
    keys.client.rpush(f"{keys.prefix}:Q:odd", "a list where a job should be")
    keys.client.rpush(f"{keys.prefix}:Q:wait", "odd")
    await python_side.run("Q")
    assert keys.raw("Q", "completed").keys() == {"good"}
    assert keys.raw("Q", "active") is None


async def test_a_job_that_was_deleted_while_it_ran(python_side: PythonSide, keys: Keys) -> None:
    await python_side.add("Q", "slow", {"ms": 300}, jobId="slow")
    await python_side.add("Q", "echo", {"n": 2}, jobId="good")
    async with python_side.working("Q"):
        await until(lambda: keys.raw("Q", "active") == ["slow"])
        keys.client.delete(f"{keys.prefix}:Q:slow")
        await until(lambda: "good" in (keys.raw("Q", "completed") or {}))
    assert keys.raw("Q", "completed").keys() == {"good"}
    assert (keys.raw("Q", "active"), keys.raw("Q", "slow")) == (None, None)


async def test_node_reads_what_python_has_made_of_it(python_side: PythonSide, node_side: NodeSide, keys: Keys) -> None:
    """No garbage of ours: whatever text a job says, Node can read the list."""
    await python_side.add("Q", "hopeless", {"text": "\u2028 \u0000 😀"}, jobId="odd text")
    await python_side.run("Q")
    jobs: Any = node_side.node.queue("Q", "getJobs", ["failed"])
    assert "odd text" in {job["id"] for job in jobs if job}
