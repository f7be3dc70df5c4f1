"""`toril serve`, `toril dev`, `toril worker --reload`, `toril token` and `toril user`, as real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import textwrap
from collections.abc import Iterator

import httpx
import pytest
from typer.testing import CliRunner, Result

from processes import TORIL, Process, until
from toril.cli.main import app as cli
from toril.errors import ConfigurationError, InvalidOption

JOBS = textwrap.dedent("""\
    from toril import Toril
    from toril.messaging import Mailer

    app = Toril()
    mailer = Mailer(app, from_address="shop@example.com")

    @app.task(queue="words")
    async def say() -> str:
        return "first"
    """)
SECRET = "s" * 40


class Folder:
    """A folder with an application, in which commands are run."""

    def __init__(self, path) -> None:
        self.path = path
        (path / "jobs.py").write_text(JOBS)
        self.env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.env |= {"TORIL_URL": f"sqlite:///{path}/jobs.db", "TORIL_MAIL_URL": "console://", "PYTHONUNBUFFERED": "1"}
        self.started: list[Process] = []

    def start(self, *arguments: str, **env: str) -> Process:
        output = self.path / f"output-{len(self.started)}.txt"
        self.started.append(Process([TORIL, *arguments], self.path, output, self.env | env))
        return self.started[-1]

    def run(self, *arguments: str, **env: str) -> Result:
        """Run a command that ends by itself, in this process: starting one takes longer than what it does."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.path)
            patch.setattr(sys, "path", [*sys.path])
            patch.delitem(sys.modules, "jobs", raising=False)
            for name, value in {**self.env, **env}.items():
                patch.setenv(name, value)
            done = CliRunner().invoke(cli, arguments)
            sys.modules.pop("jobs", None)
        return done


@pytest.fixture
def folder(tmp_path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    for process in made.started:
        process.kill()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(port: int, path: str, **options) -> httpx.Response | None:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5, **options)
    except httpx.TransportError:
        return None


@pytest.mark.slow
def test_tokens_are_made_listed_and_revoked(folder):
    made = folder.run("token", "create", "ci", "--role", "read", "--role", "send", "--days", "7")
    assert made.exit_code == 0, made.output
    assert made.stdout.startswith("toril_")
    (row,) = json.loads(folder.run("token", "list", "--json").stdout)
    assert (row["name"], row["roles"], row["revoked"]) == ("ci", "read,send", None)
    assert made.stdout.strip() not in folder.run("token", "list", "jobs:app").stdout
    assert folder.run("token", "revoke", row["id"]).exit_code == 0
    assert folder.run("token", "revoke", row["id"]).exit_code == 1
    wrong = folder.run("token", "create", "ci", "--role", "root")
    assert isinstance(wrong.exception, InvalidOption)
    assert "role: expected one or more of read, send, admin" in str(wrong.exception)


@pytest.mark.slow
def test_users_are_made_listed_and_removed(folder):
    made = folder.run("user", "create", "ana", "--role", "admin", "--password", "correct horse battery")
    assert made.exit_code == 0, made.output
    (row,) = json.loads(folder.run("user", "list", "--json").stdout)
    assert (row["name"], row["roles"]) == ("ana", "admin")
    assert folder.run("user", "remove", "ana").exit_code == 0
    assert folder.run("user", "remove", "ana").exit_code == 1
    short = folder.run("user", "create", "ana", "--role", "admin", "--password", "short")
    assert "12 to" in str(short.exception)


@pytest.mark.slow
async def test_serve_answers_with_a_token_and_stops_when_asked(folder):
    port = free_port()
    made = await asyncio.to_thread(folder.run, "token", "create", "ci", "--role", "admin")
    server = folder.start("serve", "jobs:app", "--port", str(port), TORIL_SECRET_KEY=SECRET)
    await until(lambda: get(port, "/health/ready"))
    assert get(port, "/api/queues").status_code == 401
    headers = {"authorization": f"Bearer {made.stdout.strip()}"}
    assert [queue["name"] for queue in get(port, "/api/queues", headers=headers).json()["queues"]]
    assert get(port, "/api/emails", headers=headers).json() == {"emails": [], "after": None}  # the mailer beside it
    server.signal(signal.SIGTERM)
    assert await server.ended() in {0, -signal.SIGTERM}


@pytest.mark.parametrize(
    ("options", "said"), [((), "TORIL_SECRET_KEY is not set"), (("--no-login",), "--no-login: expected a host")]
)
def test_serve_refuses_to_start_where_strangers_would_get_in(folder, options, said):
    done = folder.run("serve", "jobs:app", "--host", "0.0.0.0", *options)
    assert isinstance(done.exception, ConfigurationError)
    assert str(done.exception).startswith(said)


@pytest.mark.slow
async def test_dev_runs_all_starts_anew_at_a_change_and_stops_all(folder):
    port, mailbox = free_port(), free_port()
    dev = folder.start("dev", "jobs:app", "--port", str(port), "--mailbox", str(mailbox))

    def workers() -> list[int]:
        found = get(port, "/api/workers")
        return [worker["pid"] for worker in found.json()["workers"]] if found is not None else []

    (first,) = await until(workers)
    mail = {"type": "welcome", "to": "ana@example.com", "context": {"name": "Ana", "link": "https://x.example/s"}}
    sent = httpx.post(f"http://127.0.0.1:{port}/api/emails", json=mail).json()["id"]
    await until(lambda: get(port, f"/api/emails/{sent}").json()["status"] == "sent")

    (folder.path / "jobs.py").write_text(JOBS.replace('"first"', '"second"'))
    await until(lambda: (found := workers()) and first not in found, timeout=60)
    job = httpx.post(f"http://127.0.0.1:{port}/api/queues/words/jobs", json={"name": "say"}).json()["id"]
    await until(lambda: get(port, f"/api/queues/words/jobs/{job}").json()["result"] == "second")
    (second,) = workers()
    dev.signal(signal.SIGINT)
    assert await dev.ended(30) == 0
    assert get(port, "/health/live") is None
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


@pytest.mark.slow
async def test_a_worker_with_a_mistake_in_its_code_waits_for_the_next_change(folder):
    port = free_port()
    (folder.path / "jobs.py").write_text("this is no python")
    worker = folder.start("worker", "jobs:app", "--reload", WORKER_HEALTH_CHECK_PORT=str(port))
    await until(lambda: "toril worker has ended with exit code 2; a change starts it anew" in worker.output)
    assert "SyntaxError" in worker.output
    (folder.path / "jobs.py").write_text(JOBS)
    await until(lambda: (found := get(port, "/health")) is not None and found.status_code == 200)
    worker.signal(signal.SIGHUP)  # the terminal was closed
    assert await worker.ended(30) == 0
    assert get(port, "/health") is None
