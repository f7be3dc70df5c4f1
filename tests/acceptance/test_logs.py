"""What a real worker writes: JSON where nobody looks, and a job's life if it is asked for."""

from __future__ import annotations

import json
import signal
from typing import Any

from ledger import Ledger
from processes import Processes, until
from toril import Queue


def events(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


async def test_a_jobs_life_as_json(queue: Queue, processes: Processes, ledger: Ledger) -> None:
    good = await queue.add("nap", {"seconds": 0})
    bad = await queue.add("nap", {"hours": 0})
    worker = processes.worker(TORIL_LOG_LEVEL="debug", TORIL_DEPLOY_GRACE="0")
    await until(
        lambda: any(told.get("job") == bad.id and told["event"] == "job.failed" for told in events(worker.output))
    )
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
    lines = events(worker.output)
    life = [told["event"] for told in lines if told.get("job") == good.id]
    assert life == ["job.processing", "job.completed"]
    (failed,) = [told for told in lines if told["event"] == "job.failed"]
    assert {
        "time",
        "level",
        "logger",
        "message",
        "job",
        "queue",
        "task",
        "attempt",
        "duration",
        "error",
    } <= failed.keys()
    assert (failed["level"], failed["queue"], failed["task"]) == ("error", "work", "nap")
    assert [told["event"] for told in lines if told["event"].startswith("worker.")] == [
        "worker.started",
        "worker.stopped",
    ]


async def test_by_default_what_goes_well_is_not_told(queue: Queue, processes: Processes, ledger: Ledger) -> None:
    await queue.add("nap", {"seconds": 0})
    worker = processes.worker()
    await until(lambda: ledger.entries("end"))
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
    assert [told["event"] for told in events(worker.output) if told["event"].startswith("job.")] == []
