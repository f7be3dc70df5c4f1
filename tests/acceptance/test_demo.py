"""The main job, as `make demo` runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from email import message_from_bytes
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from processes import TORIL, Process, until
from toril.cli.main import app


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


@pytest.mark.slow
async def test_demo_ends_on_a_dashboard_that_its_password_opens_and_ctrl_c_ends_all(tmp_path: Path) -> None:
    demo = Process([TORIL, "demo"], tmp_path, tmp_path / "output.txt", {**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        said = await until(lambda: re.search(r"Dashboard +(\S+)\s+Sign in +demo, password (\S+)", demo.output), 150)
        url, password = said.groups()
        assert url.startswith("http://127.0.0.1:")
        with httpx.Client(timeout=30) as browser:
            assert browser.get(url, follow_redirects=True).url.path == "/admin/queues/login"
            browser.post(f"{url}/login", data={"name": "demo", "password": password, "next": "/admin/queues/"})
            assert "email-queue" in browser.get(f"{url}/").text
            assert "moved-away@example.com" in browser.get(f"{url}/messages?status=failed").text
            (worker,) = browser.get(f"{url.removesuffix('/admin/queues')}/api/workers").json()["workers"]
        demo.signal(signal.SIGINT)
        assert await demo.ended(30) == 0
    finally:
        demo.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(worker["pid"], 0)


def test_demo_removes_nothing_but_its_own(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").touch()
    (tmp_path / "thesis.txt").touch()
    done = CliRunner().invoke(app, ["demo", "--once", "--folder", str(tmp_path)])
    assert (done.exit_code, "thesis.txt" in done.output) == (2, True)
    assert len(list(tmp_path.iterdir())) == 2
