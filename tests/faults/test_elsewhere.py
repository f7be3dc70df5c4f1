"""macOS and Windows, for development: nothing needs what only Linux has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_without_what_only_posix_has(tmp_path: Path) -> None:
    script = Path(__file__).with_name("elsewhere.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path / "jobs.db"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
