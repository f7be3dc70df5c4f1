"""The main job, as `make demo` runs it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from email import message_from_bytes
from pathlib import Path

import pytest


@pytest.mark.slow
def test_demo_delivers_every_mail_once(tmp_path: Path) -> None:
    """300 mails, one refused for good, some answered with 451 first; the mailbox and the log agree."""
    done = subprocess.run(
        [sys.executable, "-m", "toril", "demo", "--once", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["queued"], summary["sent"], summary["failed"], summary["duplicates"]) == (300, 299, 1, 0)
    assert summary["retried"] == 15
    assert summary["mails_per_second"] > 0
    arrived = [message_from_bytes(path.read_bytes())["To"] for path in (tmp_path / "toril-demo/mailbox").glob("*.eml")]
    assert len(arrived) == len(set(arrived)) == 299
    with sqlite3.connect(tmp_path / "toril-demo/mail.db") as log:
        rows = dict(log.execute("SELECT status, count(*) FROM email_logs GROUP BY status").fetchall())
    log.close()
    assert rows == {"sent": 299, "failed": 1}
