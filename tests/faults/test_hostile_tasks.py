"""Tasks that mean harm, in a real worker process: each ends with a clear failure and the other jobs go on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from toril import Job, Toril
from toril.job import JobRecord

HERE = Path(__file__).parent
TORIL = Path(sys.executable).with_name("toril")

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path, url: str) -> Iterator[Start]:
    """Start a worker process with settings; what it says is in `output` of the test's folder."""
    started: list[subprocess.Popen[bytes]] = []
    known = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}

    def worker(**settings: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "output").open("ab") as output:
            command = [TORIL, "worker", "hostile:app", "--queues", "work=4"]
            env = {**known, "TORIL_URL": url, **settings}
            started.append(subprocess.Popen(command, cwd=HERE, env=env, stdout=output, stderr=subprocess.STDOUT))
        return started[-1]

    yield worker
    for process in started:
        process.kill()
        process.wait()


async def ended(job: Job, timeout: float = 30) -> JobRecord:
    """Return the row of a job that has ended, whatever way."""
    async with asyncio.timeout(timeout):
        while (record := await job.refresh()).state not in {"completed", "failed"}:
            await asyncio.sleep(0.05)
    return record


EXPECTED = {
    "segfault": "ProcessDied: the process of this job ended with signal SIGSEGV",
    "eat_cpu": "TimeoutError: ran longer than 2 s",
    "unspeakable": "InvalidData: result.of: expected JSON, found object",
    "unspeakable_in_a_process": "InvalidData: result.of",
    "chatter": "ValueError: zzz",
}


@pytest.mark.slow
async def test_each_ends_with_a_clear_failure_and_the_others_go_on(app: Toril, start: Start) -> None:
    queue = app.queue("work")
    good: list[Job] = []
    hostile: dict[str, Job] = {}
    for name in EXPECTED:
        good += await queue.add_many([("good", {"n": n}) for n in range(10)])
        hostile[name] = await queue.add(name, timeout=2 if name == "eat_cpu" else None)
        good.append(await queue.add("good_in_a_process", {"n": 1}))
    worker = start()
    for name, job in hostile.items():
        record = await ended(job)
        assert record.state == "failed", name
        assert str(record.reason).startswith(EXPECTED[name]), name
        assert len(str(record.reason)) <= 8_192
    for job in good:
        assert (await ended(job)).state == "completed"
    assert worker.poll() is None
    lines = await hostile["chatter"].log()
    assert len(lines) == 1_000
    assert lines[-1].startswith("99999 ")


@pytest.mark.slow
async def test_a_task_that_never_yields_ends_its_worker_and_fails(app: Toril, start: Start, tmp_path: Path) -> None:
    queue = app.queue("work")
    settings = {"TORIL_LOOP_PATIENCE": "2", "TORIL_LEASE": "1"}
    first = start(**settings)
    bad = await queue.add("never_yields", max_stalls=0)
    good = await queue.add_many([("good", {"n": n}) for n in range(20)])
    async with asyncio.timeout(30):
        while first.poll() is None:
            await asyncio.sleep(0.05)
    said = (tmp_path / "output").read_text()
    assert "Timeout (" in said  # its stacks were dumped,
    assert "never_yields" in said  # and tell who it was
    start(**settings)
    record = await ended(bad)
    assert (record.state, record.starts, record.stalls) == ("failed", 1, 1)
    assert str(record.reason).startswith("its worker died once while it ran")
    for job in good:
        assert (await ended(job)).state == "completed"
