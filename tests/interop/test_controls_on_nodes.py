"""Toril's own controls on queues that Node fills and drains."""

from __future__ import annotations

import pytest
from keyspace import Keys
from sides import NodeSide, PythonSide

from ledger import Ledger
from nodes import Node
from processes import until
from toril import JobFailed
from toril.errors import HeldByNode, InvalidOption, WrongState


async def test_what_node_has_added_is_counted_listed_and_found(node_side: NodeSide, python_side: PythonSide) -> None:
    queue = python_side.app.queue("Q")
    await node_side.add("Q", "echo", {"user": 42}, jobId="first")
    await node_side.add("Q", "echo", {"user": 43}, jobId="ranked", priority=3)
    await node_side.add("Q", "fail", {"times": 9}, jobId="bad")
    await node_side.run("Q")
    await node_side.add("Q", "echo", {"user": 44}, jobId="later", delay=60_000)
    counts = {state: count for state, count in (await queue.counts()).items() if count}
    assert counts == {"completed": 2, "failed": 1, "delayed": 1}
    assert [job.id for job in (await queue.search("data.user:43")).jobs] == ["ranked"]
    (bad,) = (await queue.jobs("failed")).jobs
    assert (bad.id, bad.record.reason, bad.record.attempts) == ("bad", "boom", 1)
    assert "behaviours.mjs" in (bad.record.stack or "")
    assert "Q" in await python_side.app.store.queues()
    with pytest.raises(JobFailed, match="boom"):
        await bad.result(5)


async def test_a_job_that_a_node_worker_runs_cannot_be_cancelled(
    node_side: NodeSide, python_side: PythonSide, keys: Keys
) -> None:
    queue = python_side.app.queue("Q")
    await node_side.add("Q", "slow", {"ms": 500}, jobId="runs")
    await node_side.add("Q", "echo", jobId="waits")
    async with node_side.working("Q"):
        job = await queue.get("runs")
        assert job is not None
        await until(lambda: keys("Q", "active") == ["runs"])
        with pytest.raises(HeldByNode, match="someone"):
            await job.cancel(by="ana")
        assert await job.result(10) is None


async def test_a_waiting_job_of_nodes_is_cancelled(
    node: Node, node_side: NodeSide, python_side: PythonSide, keys: Keys
) -> None:
    await node_side.add("Q", "echo", jobId="j", attempts=3)
    node.call("listen", "Q")
    job = await python_side.app.queue("Q").get("j")
    assert job is not None
    await job.cancel(by="ana")
    await until(lambda: any(name == "failed" for name, _ in node.call("heard", "Q")))
    told = next(args for name, args in node.call("heard", "Q") if name == "failed")
    assert told == {"jobId": "j", "failedReason": "Cancelled: by ana", "prev": "waiting"}
    assert keys("Q", "failed").keys() == {"j"}
    assert keys("Q", "wait") is None


async def test_node_jobs_are_changed_removed_and_retried(
    node_side: NodeSide, python_side: PythonSide, ledger: Ledger
) -> None:
    queue = python_side.app.queue("Q")
    await node_side.add("Q", "fail", {"times": 1}, jobId="bad")
    await node_side.run("Q")
    for job_id, options in (
        ("later", {"delay": 60_000}),
        ("gone", {}),
        ("urgent", {"priority": 9}),
        ("less", {"priority": 5}),
    ):
        await node_side.add("Q", "echo", {"n": 1}, jobId=job_id, **options)
    jobs = {job_id: await queue.get(job_id) for job_id in ("later", "gone", "urgent", "bad")}
    assert all(jobs.values())
    await jobs["later"].promote()
    await jobs["gone"].remove()
    await jobs["urgent"].change(priority=1, data={"n": 2})
    await jobs["bad"].retry()
    with pytest.raises(WrongState):
        await jobs["bad"].retry()
    await node_side.run("Q")
    assert [entry.job for entry in ledger.entries("end")] == ["later", "bad", "urgent", "less"]
    assert (await jobs["urgent"].refresh()).result == '{"n":2}'


@pytest.mark.parametrize(("name", "said"), [("mia", "Node worker mia"), ("", "a Node worker without a name")])
async def test_who_runs_a_job_of_nodes_is_told(
    node: Node, node_side: NodeSide, python_side: PythonSide, keys: Keys, name: str, said: str
) -> None:
    node.call("work", "Q", {"name": name} if name else {})
    for job_id in ("runs", "waits"):
        await node_side.add("Q", "slow", {"ms": 2_000}, jobId=job_id)
    await until(lambda: keys("Q", "active") == ["runs"])
    runs, waits = [await python_side.app.queue("Q").get(job_id) for job_id in ("runs", "waits")]
    assert runs is not None
    assert waits is not None
    why = await runs.why()
    assert (why.code, why.text.partition(" on ")[2]) == ("active", said)
    assert (await waits.why()).text.startswith("Node workers serve it")
    async with python_side.working("elsewhere"):
        ears = f"{keys.prefix}:ZWxzZXdoZXJl:w:toril"
        await until(lambda: any(line["name"] == ears for line in keys.client.client_list()))
        theirs, ours = sorted(await python_side.app.workers(), key=lambda worker: -worker.nodes)
    assert (theirs.nodes, theirs.info.name, [run.id for run in theirs.runs]) == (1, name, ["runs"])
    assert (ours.nodes, ours.info.queues) == (0, {"elsewhere": 1})
    node.call("rest", "Q")


async def test_why_a_job_of_nodes_does_not_run(node_side: NodeSide, python_side: PythonSide) -> None:
    await node_side.pause("Q")
    await node_side.add("Q", "echo", jobId="j")
    job = await python_side.app.queue("Q").get("j")
    assert job is not None
    assert "paused" in str(await job.why())


async def test_queues_of_nodes_have_a_schedule_of_one_id_each_and_keep_it(
    node_side: NodeSide, python_side: PythonSide
) -> None:
    app = python_side.app
    for queue in ("A", "B"):
        await node_side.schedule(queue, "daily", {"every": 3_600_000}, "echo", {"of": queue}, {})
    await python_side.schedule("Q", "daily", {"every": 3_600_000}, "echo", {"n": 1}, {})
    assert [found.queue for found in await app.schedules()] == ["A", "B", "Q"]
    for verb in (app.get_schedule, app.run_schedule, app.unschedule):
        with pytest.raises(InvalidOption, match="schedule 'daily' is in A, B, Q: expected"):
            await verb("daily")
    assert (await app.get_schedule("daily", queue="B")).data == {"of": "B"}
    assert (await app.run_schedule("daily", queue="B")).queue is app.queue("B")
    assert await app.unschedule("daily", queue="A")
    await python_side.schedule("R", "daily", {"every": 3_600_000}, "echo", {"n": 1}, {})  # Toril's own moves
    assert [found.queue for found in await app.schedules()] == ["B", "R"]


@pytest.mark.parametrize("sweeper", ["node", "python"])
async def test_the_job_of_a_schedule_that_node_workers_lose_is_never_given_up(
    node: Node, node_side: NodeSide, python_side: PythonSide, keys: Keys, sweeper: str
) -> None:
    await node_side.schedule("Q", "hourly", {"every": 3_600_000}, "echo", {}, {})
    for stalls in range(1, 4):
        if sweeper == "node":
            await node_side.stall("Q")
        else:
            node.call("take", "Q", "lost", {"name": "someone", "lockDuration": 1})
            for _ in range(2):  # one sweep marks it, the next one gives it back
                python_side._age(31)
                await python_side.app.store.rescue("Q")
        (job_id,) = keys.raw("Q", "wait")
        assert job_id.startswith("repeat:hourly:")
        job = keys.raw("Q", job_id)
        assert job["stc"] == str(stalls)
        assert "defa" not in job
    await node_side.run("Q")
    assert keys.raw("Q", "completed").keys() == {job_id}
