"""docs/recovery.md is true: its commands run, one after the other, and do what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from yards import SETTINGS, WELCOME

from postgres import database, postgres
from processes import TORIL
from redis_servers.program import missing
from redis_servers.server import Server
from toril import Toril
from toril.messaging import Mailer
from toril.settings import Settings

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "recovery.md").read_text()


def commands(section: str) -> list[str]:
    """Return the commands of a section, in their order."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"^ {4,}((?:toril|mkdir|redis-cli|pg_dump|pg_restore) .*)$", text, re.MULTILINE)


class Shell:
    """Runs commands where the application is."""

    def __init__(self, folder: Path, **env: str) -> None:
        (folder / "shop").mkdir(parents=True)
        (folder / "shop" / "jobs.py").write_text("from recovery_shop import app, mailer\n")
        self._folder = folder
        self._env = {
            "PATH": os.pathsep.join([str(TORIL.parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)]),
            "HERE": str(folder),
            "TORIL_SECRET_KEYS": SETTINGS["secret_keys"],
            **env,
        }

    def run(self, listed: Sequence[str]) -> str:
        """Run commands, each of which must end well, and return what they printed."""
        said = ""
        for command in listed:
            done = subprocess.run(
                command, shell=True, cwd=self._folder, env=self._env, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{command}: {done.stderr}"
            said += done.stdout + done.stderr
        return said


async def fill(url: str, log: str) -> None:
    """A job and a mail that wait."""
    app = Toril(url, settings=Settings(env={}, dotenv=None, mail_log_url=log, **SETTINGS))
    mailer = Mailer(app, "memory://", from_address="shop@example.com")
    async with app:
        await app.queue("work").add("ship", {"order": 1})
        await mailer.send("welcome", to="ana@example.com", context=WELCOME)


@pytest.mark.slow
async def test_files(tmp_path: Path) -> None:
    url, log = f"sqlite:///{tmp_path / 'jobs.db'}", f"sqlite:///{tmp_path / 'jobs-mail.db'}"
    shell = Shell(tmp_path, TORIL_URL=url)
    await fill(url, log)
    said = shell.run([*commands("Take a backup"), *commands("Restore")])
    assert "3 queues paused, 1 mail held" in said
    assert "1 message released" in said
    assert "3 queues resumed" in said
    assert {path.name for path in (tmp_path / "look").iterdir()} == {"jobs.db", "jobs-mail.db"}


@pytest.mark.slow
async def test_redis(tmp_path: Path) -> None:
    if shutil.which("redis-cli") is None:
        missing("needs redis-cli")
    copy, hold = commands("Jobs in Redis")
    log = f"sqlite:///{tmp_path / 'mail.db'}"
    with running(tmp_path / "old") as server:
        await fill(server.url, log)
        Shell(tmp_path / "before", TORIL_URL=server.url).run([copy])
    (tmp_path / "new").mkdir()
    shutil.copy(tmp_path / "before" / "jobs.rdb", tmp_path / "new" / "dump.rdb")
    with running(tmp_path / "new") as server:
        said = Shell(tmp_path / "after", TORIL_URL=server.url, TORIL_MAIL_LOG_URL=log).run([hold])
        assert "3 queues paused, 1 mail held" in said
        async with Toril(server.url, settings=Settings(env={}, dotenv=None)) as app:
            assert (await app.queue("work").counts())["waiting"] == 1
            assert (await app.queue("work").paused() or {})["why"] == "restored from a backup of Monday 08:00"
        subprocess.run(["redis-cli", "-u", server.url, "CONFIG", "SET", "appendonly", "yes"], check=True)


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        yield server
    finally:
        server.kill()


@pytest.mark.slow
async def test_postgresql(tmp_path: Path) -> None:
    copy, back, hold = commands("A delivery log in PostgreSQL")
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    with postgres() as server, database(os.environ.get("TORIL_TEST_POSTGRES_URL") or server.url) as log:
        shell = Shell(tmp_path, TORIL_URL=url, TORIL_MAIL_LOG_URL=log)
        await fill(url, log)
        shell.run([copy])
        await fill(url, log)
        assert "3 queues paused, 1 mail held" in shell.run([back, hold])
