"""Health and metrics: of a web process, with its store up and down, and of a real worker process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import httpx
import pytest
from fastapi import FastAPI

from prepared import lay_tables
from processes import TORIL, until
from toril import Worker
from toril.errors import StoreUnavailable
from toril.messaging import Mailer
from toril.web import counting, health_router
from toril.web.desk import Desk
from toril.worker.health import LATE, health_of


def client(app, mailer=None) -> httpx.AsyncClient:
    web = FastAPI()
    web.include_router(health_router(app, mailer))
    return httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://x", timeout=30)


async def reader(app) -> dict[str, str]:
    _, secret = await Desk(app).tokens.create("prometheus", ["read"])
    return {"authorization": f"Bearer {secret}"}


def break_store(app, monkeypatch) -> None:
    """Let a store answer as one that is down does."""

    async def down(*_: object) -> None:
        raise StoreUnavailable("the store did not answer")

    for verb in ("info", "add", "queues", "server"):
        monkeypatch.setattr(app.store, verb, down)


async def test_a_process_is_live_and_ready(store):
    app = store.app()
    async with client(app) as web:
        assert (await web.get("/health/live")).json() == {"status": "ok"}
        assert (await web.get("/health/ready")).json() == {"status": "ready"}
        assert (await web.get("/health/ready", params={"strict": "1"})).status_code == 200


async def test_mails_of_a_large_log_are_not_counted_at_each_look(store, tmp_path, monkeypatch):
    clock = store.clock()
    app = store.app(
        clock, mail_log_url=lay_tables(f"sqlite:///{tmp_path}/mail.db"), mail_from_address="shop@example.com"
    )
    mailer = Mailer(app, "memory://")
    monkeypatch.setattr(counting, "FEW", 2)
    welcome = {"name": "Ana", "link": "https://shop.example/start"}

    async def outbox() -> int:
        told = (await web.get("/health/detailed", headers=headers)).json()["mail"]
        return told["outbox"]

    async with client(app, mailer) as web:
        headers = await reader(app)
        for number in (1, 2, 3):
            await mailer.send("welcome", to="ana@example.com", context=welcome)
            assert await outbox() == number
        await mailer.send("welcome", to="ana@example.com", context=welcome)
        assert await outbox() == 3
        clock.advance(5)
        assert await outbox() == 4


async def test_without_its_store_a_process_is_ready_if_it_has_an_outbox(store, tmp_path, monkeypatch):
    app = store.app(mail_log_url=lay_tables(f"sqlite:///{tmp_path}/mail.db"), mail_from_address="shop@example.com")
    mailer = Mailer(app, "memory://")
    break_store(app, monkeypatch)
    async with client(app, mailer) as with_outbox, client(app) as without:
        assert (await with_outbox.get("/health/ready")).status_code == 200
        assert (await with_outbox.get("/health/ready", params={"strict": "1"})).status_code == 503
        assert (await without.get("/health/ready")).json() == {"status": "not ready"}
        assert (await without.get("/health/live")).status_code == 200
        told = (await with_outbox.get("/health/detailed", headers=await reader(app))).json()
        assert (told["status"], told["store"]["status"], told["mail"]["status"]) == ("degraded", "unavailable", "ok")
        assert [way["state"] for way in told["mail"]["transports"]] == ["closed"]
        measured = (await with_outbox.get("/metrics", headers=await reader(app))).text
        assert "toril_store_up 0.0" in measured


async def test_details_and_metrics_need_a_token(store):
    async with client(store.app()) as web:
        for path in ("/health/detailed", "/metrics"):
            assert (await web.get(path)).status_code == 401


async def test_details_tell_of_queues_workers_and_the_server(store):
    app = store.app()
    await app.queue("emails").add("welcome", {})
    async with client(app) as web:
        told = (await web.get("/health/detailed", headers=await reader(app))).json()
    (queue,) = told["queues"]
    assert (queue["name"], queue["counts"]["ready"], queue["health"]) == ("emails", 1, "unserved")
    assert told["status"] == "degraded"
    assert told["store"]["kind"] in store.url
    assert all(finding["verdict"] != "ok" and finding["advice"] for finding in told["findings"])
    assert told["store"]["version"][0].isdigit()
    if told["store"]["kind"] == "redis":
        assert told["store"]["memory"] > 0
        assert told["store"]["policy"] == "noeviction"
    else:
        assert told["store"]["size"] > 0


async def test_metrics_tell_depths_times_failures_and_memory(store):
    app = store.app()

    @app.task(queue="emails")
    async def fails() -> None:
        raise OSError("refused")

    await fails.enqueue()
    await app.run_pending()
    await app.queue("emails").add("later", {}, delay=60)
    async with client(app) as web:
        text = (await web.get("/metrics", headers=await reader(app))).text
    lines = dict(line.rpartition(" ")[::2] for line in text.splitlines() if not line.startswith("#"))
    assert lines['toril_jobs{queue="emails",state="delayed"}'] == "1.0"
    assert lines['toril_jobs_ended_total{queue="emails",state="failed"}'] == "1.0"
    assert float(lines['toril_job_run_seconds_count{queue="emails",task="fails"}']) >= 1
    assert float(lines['toril_job_wait_seconds_count{queue="emails",task="fails"}']) >= 1
    assert float(lines['toril_job_attempts_total{outcome="failed",queue="emails",task="fails"}']) >= 1
    assert float(lines['toril_job_failures_total{exception="OSError",queue="emails",task="fails"}']) >= 1
    assert lines["toril_store_up"] == "1.0"
    assert ("toril_store_memory_bytes" in lines) == store.url.startswith("redis")


def test_a_worker_that_has_not_looked_for_long_is_not_healthy(app, monkeypatch):
    @app.task(queue="emails")
    async def nothing() -> None:
        """Do nothing."""

    worker = Worker(app, {"emails": 1})
    assert health_of(worker) == (False, health_of(worker)[1] | {"status": "waiting"})
    worker.enrolled = True
    assert health_of(worker)[0]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + LATE + 1)
    fine, told = health_of(worker)
    assert (fine, told["status"]) == (False, "late")
    worker._lanes.all[0].running = {object(): None}  # no free slot: it has no reason to look
    assert health_of(worker)[0]
    worker.stop()
    assert health_of(worker)[1]["status"] == "stopping"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("", 0))
        return listener.getsockname()[1]


@pytest.fixture
def worker_process(tmp_path):
    """Start `toril worker` with a health port; yield it with that port."""
    (tmp_path / "jobs.py").write_text(
        textwrap.dedent("""\
            import asyncio, time
            from toril import Toril
            app = Toril()

            @app.task(queue="emails")
            async def quick() -> int:
                return 1

            @app.task(queue="emails")
            async def blocks(seconds: float) -> None:
                time.sleep(seconds)
            """)
    )
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "TORIL_URL": f"sqlite:///{tmp_path}/jobs.db",
        "WORKER_HEALTH_CHECK_PORT": str(port),
    }
    process = subprocess.Popen([TORIL, "worker", "jobs:app"], cwd=tmp_path, env=env, stderr=subprocess.PIPE)
    yield process, port, tmp_path, env
    process.kill()
    process.communicate()


async def test_a_worker_process_answers_probes(worker_process, make_app):
    process, port, folder, env = worker_process
    at = f"http://127.0.0.1:{port}"

    def answer(path: str) -> httpx.Response | None:
        try:
            return httpx.get(at + path, timeout=2)
        except httpx.TransportError:
            return None

    def healthy() -> bool:
        found = answer("/health")
        return found is not None and found.status_code == 200

    await until(healthy)
    code = "import jobs; jobs.quick.enqueue_sync()"
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, check=True, timeout=30)
    await until(lambda: answer("/health").json()["ran"] == 1)
    assert answer("/health/live").json() == {"status": "ok"}
    assert answer("/health/ready").json()["queues"]["emails"]["slots"] == 10
    assert 'toril_job_run_seconds_count{queue="emails",task="quick"} 1.0' in answer("/metrics").text
    assert answer("/secret").status_code == 404

    code = "import jobs; jobs.blocks.enqueue_sync(seconds=2)"
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, check=True, timeout=30)
    await until(lambda: answer("/health").json()["running"] == 1)  # though its event loop stands still
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert answer("/health") is None


async def test_a_port_that_is_taken_is_said_at_the_start(tmp_path):
    (tmp_path / "jobs.py").write_text("from toril import Toril\napp = Toril()\n@app.task\nasync def t() -> None: ...\n")
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        env = {"PATH": os.environ["PATH"], "WORKER_HEALTH_CHECK_PORT": str(taken.getsockname()[1])}
        done = subprocess.run(
            [TORIL, "worker", "jobs:app"],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert done.returncode == 2
    assert "WORKER_HEALTH_CHECK_PORT" in done.stderr
