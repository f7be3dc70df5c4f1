"""Processes that fork with the store open: every one of them goes on, and no job is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from servers import APPS, PATIENCE, held

from toril import Toril

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

CHILD_OUTLIVES_THE_STORE_OF_ITS_PARENT = """
import os
from jobs import app, welcome

welcome.enqueue_sync(to="parent")
hear, tell = os.pipe()
heard, told = os.pipe()
if os.fork() == 0:
    welcome.enqueue_sync(to="child")
    os.write(told, b".")
    os.read(hear, 1)
    for _ in range(10):
        welcome.enqueue_sync(to="child")
else:
    os.read(heard, 1)
    app.run(app.close())
    os.write(tell, b".")
    assert os.wait()[1] == 0
    welcome.enqueue_sync(to="parent")
"""

CHILDREN_OF_A_BUSY_PARENT = """
import os, threading
from jobs import app, welcome

def write():
    for _ in range(20):
        app.enqueue_many_sync(welcome.call(to="parent") for _ in range(1000))

busy = threading.Thread(target=write)
busy.start()
for _ in range(10):
    if os.fork() == 0:
        welcome.enqueue_sync(to="child")
        os._exit(0)
    assert os.wait()[1] == 0
busy.join()
"""

CHILD_OF_A_PARENT_THAT_CANNOT_STOP_WRITING = """
import os, threading
from jobs import app, welcome
from toril import StoreUnavailable

welcome.enqueue_sync(to="parent")
print("ready", flush=True)
input()
try:
    welcome.enqueue_sync(to="parent")
except StoreUnavailable:
    pass
if os.fork() == 0:
    try:
        welcome.enqueue_sync(to="child")
    except StoreUnavailable as error:
        print(error, flush=True)
    os._exit(0)
assert os.wait()[1] == 0
"""


def fork(script: str, folder: Path) -> subprocess.Popen[str]:
    """Run a script that forks, in a process with few other threads."""
    environment = {**os.environ, "PYTHONPATH": str(APPS)}
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize(
    ("script", "count"),
    [(CHILD_OUTLIVES_THE_STORE_OF_ITS_PARENT, 13), (CHILDREN_OF_A_BUSY_PARENT, 20_010)],
    ids=["parent closes", "parent writes"],
)
async def test_parent_and_children_lose_nothing(jobs: Toril, tmp_path: Path, script: str, count: int) -> None:
    parent = fork(script, tmp_path)
    try:
        _, errors = parent.communicate(timeout=PATIENCE)
    finally:
        parent.kill()
    assert parent.returncode == 0, errors
    async with jobs:
        assert (await jobs.queue("emails").counts())["waiting"] == count


def test_a_child_that_cannot_use_the_store_says_so(tmp_path: Path) -> None:
    parent = fork(CHILD_OF_A_PARENT_THAT_CANNOT_STOP_WRITING, tmp_path)
    try:
        assert parent.stdout.readline() == "ready\n"
        with held(tmp_path, turn=False):
            said, errors = parent.communicate("\n", timeout=PATIENCE)
    finally:
        parent.kill()
    assert parent.returncode == 0, errors
    assert said == "this process was forked while its parent was writing: SQLite cannot work in it\n"
