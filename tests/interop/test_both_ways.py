"""Node adds and Python runs, Python adds and Node runs; each hears of the end from the other."""

from __future__ import annotations

import asyncio

import pytest
from keyspace import Keys
from sides import NodeSide, PythonSide, Side

from ledger import Ledger
from processes import until
from toril import JobFailed
from toril.errors import HeldByNode


@pytest.fixture(params=["node", "python"])
def adds(request: pytest.FixtureRequest) -> Side:
    side: Side = request.getfixturevalue(f"{request.param}_side")
    return side


@pytest.fixture(params=["node", "python"])
def runs(request: pytest.FixtureRequest) -> Side:
    side: Side = request.getfixturevalue(f"{request.param}_side")
    return side


@pytest.fixture(params=["node", "python"])
def ends(request: pytest.FixtureRequest) -> Side:
    """Who runs the children of a flow."""
    side: Side = request.getfixturevalue(f"{request.param}_side")
    return side


async def test_results_and_failures(adds: Side, runs: Side) -> None:
    async with runs.working("Q"):
        told = {"text": "Grüße, 世界 🐂", "deep": [1, 2.5, None, True, {"a": []}], "large": 2**53 - 1}
        assert await adds.result("Q", await adds.add("Q", "echo", told)) == told
        assert await adds.result("Q", await adds.add("Q", "fail", {"times": 2}, attempts=3)) == "recovered"
        with pytest.raises(JobFailed, match="boom"):
            await adds.result("Q", await adds.add("Q", "fail", {"times": 2}, attempts=2))
        with pytest.raises(JobFailed, match="no use"):
            await adds.result("Q", await adds.add("Q", "hopeless", attempts=5))


async def test_delayed_jobs_and_backoffs_are_due_in_time(adds: Side, runs: Side, ledger: Ledger) -> None:
    async with runs.working("Q"):
        late = await adds.add("Q", "echo", {"n": 1}, delay=600)
        again = await adds.add("Q", "fail", {"times": 1}, attempts=2, backoff={"type": "fixed", "delay": 400})
        await adds.result("Q", late)
        await adds.result("Q", again)
    first, second = ledger.starts_by_job()[again]
    assert 0.39 < second.at - first.at < 2
    assert ledger.starts_by_job()[late][0].at - first.at > 0.1


async def test_priorities_lifo_and_order(adds: Side, runs: Side, ledger: Ledger) -> None:
    for job_id, options in (
        ("fourth", {"priority": 7}), ("third", {"priority": 1}), ("fifth", {"priority": 7}), ("second", {}),
        ("first", {"lifo": True}),
    ):  # fmt: skip
        await adds.add("Q", "echo", jobId=job_id, **options)
    await runs.run("Q")
    assert [entry.job for entry in ledger.entries()] == ["first", "second", "third", "fourth", "fifth"]


async def test_bulk(adds: Side, runs: Side, ledger: Ledger) -> None:
    ids = await adds.add_many("Q", [("echo", {"n": number}) for number in range(300)])
    await runs.run("Q")
    assert [entry.job for entry in ledger.entries("end")] == ids


async def test_deduplicated(adds: Side, runs: Side, ledger: Ledger) -> None:
    first = await adds.add("Q", "echo", {"n": 1}, deduplication={"id": "x"})
    assert await adds.add("Q", "echo", {"n": 2}, deduplication={"id": "x"}) == first
    await runs.run("Q")
    second = await adds.add("Q", "echo", {"n": 3}, deduplication={"id": "x"})
    assert second != first
    await runs.run("Q")
    assert [entry.job for entry in ledger.entries()] == [first, second]


async def test_a_job_of_that_id_is_there_already(adds: Side, runs: Side, ledger: Ledger, keys: Keys) -> None:
    for number in range(2):
        assert await adds.add("Q", "echo", {"n": number}, jobId="own") == "own"
    await runs.run("Q")
    assert await runs.add("Q", "echo", {"n": 2}, jobId="own") == "own"
    assert keys("Q", "wait") is None
    assert len(ledger.entries()) == 1


async def test_a_flow_across_queues(adds: Side, runs: Side, ends: Side) -> None:
    """A child that Python finished moves a Node parent, and the reverse."""
    children = [{"name": "echo", "queueName": "C", "data": {"n": number}} for number in (1, 2, 3)]
    await adds.flow({"name": "sum", "queueName": "F", "opts": {"jobId": "par"}, "children": children})
    async with ends.working("C"), runs.working("F"):
        assert await adds.result("F", "par") == 6


async def test_a_schedule_is_advanced_by_either(adds: Side, runs: Side, ledger: Ledger, keys: Keys) -> None:
    await adds.schedule("Q", "sid", {"every": 200}, "echo", {"n": 1}, {})
    async with runs.working("Q"):
        await until(lambda: len(ledger.entries("end")) >= 3)
    other = len(ledger.entries("end"))
    async with adds.working("Q"):
        await until(lambda: len(ledger.entries("end")) >= other + 3)
    jobs = [entry.job for entry in ledger.entries()]
    assert len(jobs) == len(set(jobs))
    assert keys.client.zcard(f"{keys.prefix}:Q:repeat") == 1


async def test_a_schedule_of_one_is_changed_by_the_other(adds: Side, runs: Side, keys: Keys) -> None:
    await adds.schedule("Q", "sid", {"pattern": "0 0 4 * * *", "tz": "UTC"}, "echo", {"n": 1}, {})
    await runs.schedule("Q", "sid", {"pattern": "0 0 5 * * *", "tz": "Asia/Ho_Chi_Minh"}, "echo", {"n": 2}, {})
    rule = keys("Q", "repeat:sid")
    assert (rule["pattern"], rule["data"]) == ("0 0 5 * * *", '{"n":2}')
    assert len(keys("Q", "delayed")) == 1


async def test_paused_by_one_is_paused_for_the_other(adds: Side, runs: Side, ledger: Ledger) -> None:
    async with runs.working("Q"):
        await adds.pause("Q")
        job = await adds.add("Q", "echo", {"n": 1})
        await runs.add("Q", "echo", {"n": 2}, jobId="also")
        assert ledger.entries() == []
        await runs.resume("Q")
        assert await adds.result("Q", job) == {"n": 1}
        assert await adds.result("Q", "also") == {"n": 2}


async def test_python_cancels_what_waits_and_not_what_node_runs(node_side: NodeSide, python_side: PythonSide) -> None:
    queue = python_side.app.queue("Q")
    waits = await queue.get(await node_side.add("Q", "echo", attempts=5))
    assert waits is not None
    await waits.cancel(by="ana")
    with pytest.raises(JobFailed, match="Cancelled: by ana"):
        await node_side.result("Q", waits.id)
    async with node_side.working("Q"):
        runs = await queue.get(await node_side.add("Q", "slow", {"ms": 1_000}))
        assert runs is not None
        async with asyncio.timeout(10):
            while await runs.state() != "active":
                await asyncio.sleep(0.02)
        with pytest.raises(HeldByNode, match="is run by Node's worker someone: only Node can stop it"):
            await runs.cancel(by="ana")
        assert await node_side.result("Q", runs.id) is None
    record = await runs.refresh()
    assert (record.state, record.reason) == ("completed", None)
