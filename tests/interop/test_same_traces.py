"""Whichever side did the work: the key space of a drained queue is the same, and so is what QueueEvents heard."""

from __future__ import annotations

from typing import Any

import pytest
from dumps import normal
from keyspace import Keys
from scenarios import SCENARIOS, Scenario
from sides import NodeSide, PythonSide, Side

from nodes import Node
from processes import until
from redis_servers import forget

QUEUES = ("Q", "C")
WHO_LOOKED_LAST = "stalled-check"


def heard(node: Node, queue: str, prefix: str) -> list[Any]:
    """Return what Node's QueueEvents has said of a queue."""
    events = [{"event": name, **args} for name, args in node.call("heard", queue)]
    found: list[Any] = normal({"events": events}, prefix)["events"]
    return found


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
async def test_the_same_keys_and_events(
    scenario: Scenario, node: Node, node_side: NodeSide, python_side: PythonSide, keys: Keys
) -> None:
    async def left_by(runner: Side) -> dict[str, object]:
        for queue in QUEUES:
            node.call("listen", queue)
        await scenario(node_side, runner)
        left = {}
        for queue in QUEUES:
            written = len(keys.raw(queue, "events") or [])
            await until(lambda queue=queue, written=written: len(node.call("heard", queue)) >= written)
            left |= {f"{queue}:{key}": value for key, value in keys.dump(queue).items() if key != WHO_LOOKED_LAST}
            left[f"what QueueEvents heard of {queue}"] = heard(node, queue, keys.prefix)
        node.end()
        forget(keys.client, keys.prefix)
        return left

    ours, theirs = await left_by(python_side), await left_by(node_side)
    assert len(theirs["what QueueEvents heard of Q"]) > 3
    for key in (*ours, *theirs):  # one key at a time reads better than the whole
        assert ours.get(key) == theirs.get(key), key
