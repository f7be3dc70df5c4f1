"""Packages of npm that tests need, as their lock file has them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from redis_servers.program import missing

__all__ = ["install"]


def install(folder: Path) -> None:
    """See that the packages of a folder's lock file are there; end the test if they cannot be had."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("needs node and npm (Debian: apt-get install nodejs npm)")
    lock, mark = folder / "package-lock.json", folder / "node_modules" / ".lock-of-these"
    if mark.exists() and mark.read_bytes() == lock.read_bytes():
        return
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        missing(f"npm ci: {done.stderr.strip()}")
    mark.write_bytes(lock.read_bytes())
