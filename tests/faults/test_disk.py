"""A disk that is full: one clear error, nothing half-written, and work goes on when there is room."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("disk_full.py")


@cache
def namespace() -> list[str]:
    """Return the command before one that may mount something for itself alone; empty if this machine has none."""
    command = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    try:
        subprocess.run([*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return command


@pytest.mark.parametrize("kind", ["tmpfs", "limit"])
def test_a_full_disk(tmp_path: Path, kind: str) -> None:
    if kind == "tmpfs" and not namespace():
        pytest.skip("no mount namespaces here")
    before = namespace() if kind == "tmpfs" else []
    done = subprocess.run(
        [*before, sys.executable, SCRIPT, kind, tmp_path], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
