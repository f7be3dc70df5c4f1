"""A trace goes on from Node's BullMQ with bullmq-otel to Python and back: the real packages on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from keyspace import Keys
from sides import NodeSide, PythonSide

from ledger import Ledger
from nodes import Node, Process, install
from processes import until
from traces import Traces, trace_of


@pytest.fixture(scope="module")
def traced_process(redis_url: str) -> Iterator[Process]:
    install()
    process = Process(redis_url, TRACED="yes")
    yield process
    process.end()


@pytest.fixture
def node_side(traced_process: Process, prefix: str, ledger: Ledger) -> Iterator[NodeSide]:
    """Node, with its telemetry on."""
    node = Node(traced_process, prefix, ledger.path)
    yield NodeSide(node)
    node.end()


def spans_of(side: NodeSide, trace: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = side.node.call("spans")
    return [span for span in found if span["trace"] == trace]


def trace_added(side: NodeSide, name: str) -> tuple[str, str]:
    """Return trace and id of the last span of that name."""
    span = [span for span in side.node.call("spans") if span["name"] == name][-1]
    return span["trace"], span["id"]


@pytest.mark.parametrize("how", ["add", "addBulk", "flow", "schedule"])
async def test_node_adds_and_python_runs(
    node_side: NodeSide, python_side: PythonSide, traces: Traces, ledger: Ledger, how: str
) -> None:
    match how:
        case "add":
            await node_side.add("Q", "echo", {"n": 1})
            name = "add Q.echo"
        case "addBulk":
            await node_side.add_many("Q", [("echo", {"n": 1})])
            name = "addBulk Q"
        case "flow":
            child = {"name": "echo", "queueName": "Q", "data": {"n": 1}, "opts": {}}
            await node_side.flow({"name": "sum", "queueName": "F", "children": [child]})
            name = "addNode Q"
        case "schedule":
            await node_side.schedule("Q", "sid", {"every": 60_000}, "echo", {"n": 1}, {})
            name = "add Q.echo"
    async with python_side.working("Q"):
        await until(lambda: ledger.entries("end"))
        await until(lambda: traces.named("process Q"))
    ran = traces.named("process Q")[0]
    trace, span = trace_added(node_side, name)
    if how == "schedule":  # ticks begin traces of their own
        assert trace_of(ran) != trace
        assert [f"{link.context.trace_id:032x}" for link in ran.links] == [trace]
    else:
        assert trace_of(ran) == trace
        assert f"{ran.parent.span_id:016x}" == span


@pytest.mark.parametrize("how", ["one", "bulk", "flow"])
async def test_python_adds_and_node_runs(
    node_side: NodeSide, python_side: PythonSide, traces: Traces, how: str
) -> None:
    with traces.request() as request:
        match how:
            case "one":
                await python_side.add("Q", "echo", {"n": 1})
            case "bulk":
                await python_side.add_many("Q", [("echo", {"n": 1}), ("echo", {"n": 2})])
            case "flow":
                child = {"name": "echo", "queueName": "Q", "data": {"n": 1}}
                await python_side.flow({"name": "sum", "queueName": "Q", "children": [child]})
    await node_side.run("Q")
    added = traces.one("enqueue Q")
    ran = [span for span in spans_of(node_side, request) if span["name"] == "process Q"]
    assert len(ran) == (1 if how == "one" else 2)
    assert {span["parent"] for span in ran} == {f"{added.context.span_id:016x}"}


async def test_there_and_back_again(node_side: NodeSide, python_side: PythonSide, traces: Traces) -> None:
    """The attempt that Node leaves to Python is in the same trace as its own."""
    with traces.request() as request:
        await python_side.add("Q", "fail", {"times": 1}, attempts=2, backoff={"type": "fixed", "delay": 60_000})
    await node_side.run("Q")
    await python_side.promote("Q")
    await python_side.run("Q")
    (first,) = [span for span in spans_of(node_side, request) if span["name"] == "process Q"]
    second = traces.one("process Q")
    assert trace_of(second) == request
    assert f"{second.parent.span_id:016x}" == first["parent"]
    assert second.attributes["toril.job.attempt"] == 2


async def test_omit_context(node_side: NodeSide, python_side: PythonSide, traces: Traces, keys: Keys) -> None:
    await node_side.add("Q", "echo", {"n": 1}, jobId="x", telemetry={"omitContext": True})
    await python_side.run("Q")
    own = traces.one("process Q")
    assert own.parent is None
    assert trace_of(own) != trace_added(node_side, "add Q.echo")[0]
