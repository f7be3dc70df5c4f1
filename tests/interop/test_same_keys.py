"""The key space of a drained queue is the same whichever side did the work, events and metrics included."""

from __future__ import annotations

import pytest
from scenarios import SCENARIOS, Scenario
from sides import NodeSide, PythonSide, Side

from conftest import Keys
from redis_servers import forget

QUEUES = ("Q", "C")


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
async def test_the_same_keys(scenario: Scenario, node_side: NodeSide, python_side: PythonSide, keys: Keys) -> None:
    async def left_by(runner: Side) -> dict[str, object]:
        await scenario(node_side, runner)
        left = {f"{queue}:{key}": value for queue in QUEUES for key, value in keys.dump(queue).items()}
        left = {
            key: value for key, value in left.items() if not key.endswith(":stalled-check")
        }  # tells who looked last
        forget(keys.client, keys.prefix)
        return left

    ours, theirs = await left_by(python_side), await left_by(node_side)
    for key in (*ours, *theirs):  # one key at a time reads better than the whole
        assert ours.get(key) == theirs.get(key), key
