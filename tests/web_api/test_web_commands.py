"""`toril serve`, `toril dev`, `toril worker --reload`, `toril token` and `toril user`, as real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import textwrap
from collections.abc import Iterator

import httpx
import pytest

from processes import TORIL, Process, until

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

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [TORIL, *arguments],
            cwd=self.path,
            env=self.env | env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


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


def test_tokens_are_made_listed_and_revoked(folder):
    made = folder.run("token", "create", "jobs:app", "ci", "--role", "read", "--role", "send", "--days", "7")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("toril_")
    (row,) = json.loads(folder.run("token", "list", "jobs:app", "--json").stdout)
    assert (row["name"], row["roles"], row["revoked"]) == ("ci", "read,send", None)
    assert made.stdout.strip() not in folder.run("token", "list", "jobs:app").stdout
    assert folder.run("token", "revoke", "jobs:app", row["id"]).returncode == 0
    assert folder.run("token", "revoke", "jobs:app", row["id"]).returncode == 1
    wrong = folder.run("token", "create", "jobs:app", "ci", "--role", "root")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    assert "role: expected one or more of read, send, admin" in wrong.stderr


def test_users_are_made_listed_and_removed(folder):
    made = folder.run("user", "create", "jobs:app", "ana", "--role", "admin", "--password", "correct horse battery")
    assert made.returncode == 0, made.stderr
    (row,) = json.loads(folder.run("user", "list", "jobs:app", "--json").stdout)
    assert (row["name"], row["roles"]) == ("ana", "admin")
    assert folder.run("user", "remove", "jobs:app", "ana").returncode == 0
    assert folder.run("user", "remove", "jobs:app", "ana").returncode == 1
    short = folder.run("user", "create", "jobs:app", "ana", "--role", "admin", "--password", "short")
    assert (short.returncode, "12 to" in short.stderr) == (1, True)


async def test_serve_answers_with_a_token_and_stops_when_asked(folder):
    port = free_port()
    secret = folder.run("token", "create", "jobs:app", "ci", "--role", "admin").stdout.strip()
    server = folder.start("serve", "jobs:app", "--port", str(port), TORIL_SECRET_KEY=SECRET)
    await until(lambda: get(port, "/health/ready"))
    assert get(port, "/api/queues").status_code == 401
    headers = {"authorization": f"Bearer {secret}"}
    assert [queue["name"] for queue in get(port, "/api/queues", headers=headers).json()["queues"]]
    assert get(port, "/api/emails", headers=headers).json() == {"emails": [], "after": None}  # the mailer beside it
    server.signal(signal.SIGTERM)
    assert await server.ended() in {0, -signal.SIGTERM}


def test_serve_refuses_to_start_without_a_secret(folder):
    done = folder.run("serve", "jobs:app", "--host", "0.0.0.0")
    assert (done.returncode, "TORIL_SECRET_KEY" in done.stderr) == (1, True)
    done = folder.run("serve", "jobs:app", "--host", "0.0.0.0", "--no-login", TORIL_SECRET_KEY=SECRET)
    assert (done.returncode, "--no-login" in done.stderr) == (1, True)


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
    await until(lambda: "SyntaxError" in worker.output)
    (folder.path / "jobs.py").write_text(JOBS)
    await until(lambda: (found := get(port, "/health")) is not None and found.status_code == 200)
    worker.signal(signal.SIGTERM)
    assert await worker.ended(30) == 0
    assert get(port, "/health") is None
