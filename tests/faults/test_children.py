"""Processes that a process makes while it uses the store: both go on, and no job is lost."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from toril import Toril

METHODS = [*multiprocessing.get_all_start_methods(), *(["os.fork"] if hasattr(os, "fork") else [])]


@pytest.mark.parametrize("method", METHODS)
async def test_parent_and_child_both_enqueue(app: Toril, tmp_path: Path, method: str) -> None:
    script = Path(__file__).with_name("children.py")
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", script, method, tmp_path / "jobs.db"],  # of fork itself
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    jobs = (await app.queue("default").jobs("waiting", limit=1_000)).jobs
    assert Counter(job.record.data for job in jobs) == {'{"who":"parent"}': 202, '{"who":"child"}': 200}
