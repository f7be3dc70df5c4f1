"""Bull Board shows queues that Python fills and drains, and its buttons work on them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from boards import Board
from keyspace import Keys
from sides import Side

from nodes import Node
from processes import until
from redis_servers.program import missing


@pytest.fixture
def board(node: Node) -> Iterator[Board]:
    board = Board(node, "Q", "C", "F")
    yield board
    board.close()


async def test_it_shows_counts_and_jobs(side: Side, board: Board) -> None:
    await side.add("Q", "echo", {"n": 1}, jobId="done")
    await side.add("Q", "fail", {"times": 9}, jobId="bad")
    await side.run("Q")
    await side.add("Q", "echo", {"text": "Grüße"}, jobId="waits")
    await side.add("Q", "echo", jobId="ranked", priority=4)
    await side.add("Q", "echo", jobId="later", delay=3_600_000)
    assert board.counts("Q") == {"completed": 1, "failed": 1, "waiting": 1, "prioritized": 1, "delayed": 1}
    done = board.call("GET", "Q/done")
    assert (done["status"], done["job"]["returnValue"], done["job"]["attempts"]) == ("completed", {"n": 1}, 1)
    assert done["job"]["timestamp"] <= done["job"]["processedOn"] <= done["job"]["finishedOn"]
    assert done["job"]["processedBy"]
    bad = board.call("GET", "Q/bad")
    assert (bad["status"], bad["job"]["isFailed"], len(bad["job"]["stacktrace"])) == ("failed", True, 1)
    assert re.search(r"\bboom$", bad["job"]["failedReason"])
    (waits,) = board.queue("Q", "waiting")["jobs"]
    assert (waits["id"], waits["name"], waits["data"]) == ("waits", "echo", {"text": "Grüße"})
    (later,) = board.queue("Q", "delayed")["jobs"]
    assert abs(later["delay"] - 3_600_000) < 50  # Toril: from when it arrived
    (ranked,) = board.queue("Q", "prioritized")["jobs"]
    assert ranked["id"] == "ranked"


async def test_it_shows_progress_and_logs(side: Side, board: Board) -> None:
    await side.add("Q", "talk", jobId="j")
    await side.run("Q")
    assert board.call("GET", "Q/j")["job"]["progress"] == {"step": "last", "of": 2}
    assert board.call("GET", "Q/j/logs") == ["half way", "nearly there"]


async def test_it_shows_flows(side: Side, board: Board) -> None:
    children = [
        {"name": "echo", "queueName": "C", "data": {"n": 1}, "opts": {"jobId": "c1"}},
        {"name": "echo", "queueName": "C", "data": {"n": 2}, "opts": {"jobId": "c2", "delay": 60_000}},
    ]
    await side.flow({"name": "sum", "queueName": "F", "opts": {"jobId": "par"}, "children": children})
    await side.run("C")
    flow = board.call("GET", "F/par/flow")
    root = flow["flowRoot"]
    assert (root["id"], root["state"]) == ("par", "waiting-children")
    assert {child["id"]: child["state"] for child in root["children"]} == {"c1": "completed", "c2": "delayed"}


async def test_it_shows_workers(side: Side, board: Board) -> None:
    async with side.working("Q"):
        await until(lambda: len(board.call("GET", "Q/workers")["workers"]) == 1)


async def test_it_shows_schedules_and_runs_them(side: Side, board: Board) -> None:
    await side.schedule("Q", "sid", {"pattern": "0 0 4 * * *", "tz": "UTC"}, "echo", {"n": 1}, {})
    (shown,) = board.schedules("Q")
    assert (shown["id"], shown["pattern"], shown["tz"]) == ("sid", "0 0 4 * * *", "UTC")
    board.call("PUT", "Q/job-schedulers/sid/run")
    await side.run("Q")
    assert board.counts("Q") == {"completed": 1, "delayed": 1}
    board.call("PUT", "Q/job-schedulers/sid/remove")
    assert board.counts("Q") == {"completed": 1}


async def test_retry(side: Side, board: Board) -> None:
    for job_id in ("one", "two", "three"):
        await side.add("Q", "fail", {"times": 1}, jobId=job_id)
    await side.run("Q")
    assert board.counts("Q") == {"failed": 3}
    board.call("PUT", "Q/two/retry")
    assert board.counts("Q") == {"failed": 2, "waiting": 1}
    board.call("PUT", "Q/retry/failed")
    await side.run("Q")
    assert board.counts("Q") == {"completed": 3}
    assert board.call("GET", "Q/two")["job"]["returnValue"] == "recovered"


async def test_promote(side: Side, board: Board) -> None:
    for job_id in ("one", "two"):
        await side.add("Q", "echo", {"n": 1}, jobId=job_id, delay=3_600_000)
    board.call("PUT", "Q/two/promote")
    await side.run("Q")
    assert board.counts("Q") == {"completed": 1, "delayed": 1}
    board.call("PUT", "Q/promote")
    await side.run("Q")
    assert board.counts("Q") == {"completed": 2}


async def test_clean_and_remove(side: Side, board: Board, keys: Keys) -> None:
    for job_id in ("one", "two"):
        await side.add("Q", "echo", jobId=job_id)
    await side.add("Q", "talk", jobId="talks")
    await side.run("Q")
    board.call("PUT", "Q/two/clean")
    assert board.counts("Q") == {"completed": 2}
    keys.client.zadd(f"{keys.prefix}:Q:completed", {"one": 1, "talks": 1})  # older than the 5 s that it leaves
    board.call("PUT", "Q/clean/completed")
    assert board.counts("Q") == {}
    assert keys.names("Q") <= {"events", "meta", "marker", "metrics:completed"}


async def test_pause_and_resume(side: Side, board: Board) -> None:
    board.call("PUT", "Q/pause")
    await side.add("Q", "echo", jobId="j")
    assert await side.take("Q") is None
    assert board.queue("Q")["isPaused"]
    board.call("PUT", "Q/resume")
    await side.run("Q")
    assert board.counts("Q") == {"completed": 1}


async def test_add_and_change(side: Side, board: Board) -> None:
    added = board.call("POST", "Q/add", {"name": "echo", "data": {"n": 7}, "options": {"jobId": "mine"}})
    assert added["status"] == "waiting"
    board.call("PATCH", "Q/mine/update-data", {"jobData": {"n": 8}})
    await side.run("Q")
    assert board.call("GET", "Q/mine")["job"]["returnValue"] == {"n": 8}


async def test_empty_and_obliterate(side: Side, board: Board, keys: Keys) -> None:
    for job_id in ("one", "two"):
        await side.add("Q", "echo", jobId=job_id)
    board.call("PUT", "Q/empty")
    assert board.counts("Q") == {}
    await side.add("Q", "echo", jobId="three")
    board.call("PUT", "Q/pause")
    board.call("PUT", "Q/obliterate", {"force": True})
    assert keys.names("Q") == set()


@pytest.mark.slow
async def test_in_a_real_browser(side: Side, board: Board, tmp_path: Path) -> None:
    """The screenshot stays in the test's folder, for whoever wants to look."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        missing("needs chromium (Debian: apt-get install chromium)")
    await side.add("Q", "fail", {"times": 9}, jobId="bad")
    await side.add("Q", "echo", {"order": 42}, jobId="good")
    await side.run("Q")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1440,1000", "--virtual-time-budget=8000"]
    for page, wanted in (("queue/Q?status=failed", "boom"), ("queue/Q/good", "order")):
        picture = tmp_path / f"{wanted}.png"
        command = [browser, *flags, f"--user-data-dir={tmp_path / 'profile'}"]
        dom = subprocess.run(
            [*command, "--dump-dom", f"{board.url}/{page}"], capture_output=True, text=True, timeout=60, check=True
        ).stdout
        assert wanted in dom
        subprocess.run(
            [*command, f"--screenshot={picture}", f"{board.url}/{page}"], capture_output=True, timeout=60, check=True
        )
        assert picture.stat().st_size > 10_000
