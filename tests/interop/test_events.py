"""Node's QueueEvents hears of Python's jobs what it hears of its own, with the same fields."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dumps import normal
from nodes import SCRIPTS
from scenarios import SCENARIOS, Scenario
from sides import NodeSide, PythonSide, Side

from conftest import Keys
from processes import Process, Processes, until
from redis_servers import forget


def heard(listener: Process, prefix: str) -> list[Any]:
    """Return what a listener has printed: [event, arguments]."""
    told = [json.loads(line) for line in listener.output.splitlines()]
    events = [{"event": name, **args} for name, args in told if name != "ready"]
    found: list[Any] = normal({"events": events}, prefix)["events"]
    return found


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
async def test_the_same_events(
    scenario: Scenario, node_side: NodeSide, python_side: PythonSide, processes: Processes, keys: Keys
) -> None:
    async def heard_of(runner: Side) -> dict[str, list[Any]]:
        listeners = {queue: processes.start("node", SCRIPTS / "events.mjs", queue) for queue in ("Q", "C")}
        for listener in listeners.values():
            await until(lambda listener=listener: '["ready"' in listener.output)
        await scenario(node_side, runner)
        found = {}
        for queue, listener in listeners.items():
            written = len(keys.raw(queue, "events") or [])
            await until(lambda listener=listener, written=written: len(heard(listener, keys.prefix)) >= written)
            found[queue] = heard(listener, keys.prefix)
            listener.kill()
        forget(keys.client, keys.prefix)
        return found

    ours, theirs = await heard_of(python_side), await heard_of(node_side)
    assert ours == theirs
    assert sum(map(len, ours.values())) > 3
