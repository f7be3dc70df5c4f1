"""`toril doctor` and a worker's start name what loses jobs, on servers that are set up so."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from processes import until
from redis_servers import Servers
from toril import Toril, Worker
from toril.cli import main
from toril.doctor import examine
from toril.finding import Finding

MakeApp = Callable[..., Toril]


async def wrong(app: Toril) -> dict[str, Finding]:
    """Return what is wrong, by part."""
    return {finding.part: finding async for finding in examine(app) if finding.verdict == "wrong"}


async def test_a_server_set_up_well_is_fine(redis_servers: Servers, on: MakeApp) -> None:
    found = [finding async for finding in examine(on(redis_servers.durable().url))]
    assert {finding.verdict for finding in found} == {"ok"}, found
    assert {"server", "memory", "persistence", "clock", "access", "queues", "schedules"} <= {f.part for f in found}


@pytest.mark.parametrize(
    ("config", "part", "says"),
    [
        ({"maxmemory_policy": "allkeys-lru"}, "memory", "maxmemory-policy allkeys-lru"),
        ({"maxmemory": "1100kb"}, "memory", "of maxmemory are used"),
        ({}, "persistence", "neither append-only file nor snapshots"),
        ({"bind": "0.0.0.0", "protected-mode": "no"}, "access", "without a password"),
        ({"bind": "0.0.0.0", "requirepass": "pw"}, "access", "without TLS"),
    ],
)
async def test_what_is_set_up_badly_is_named(
    redis_servers: Servers, on: MakeApp, config: dict[str, Any], part: str, says: str
) -> None:
    server = redis_servers.single(**config)
    auth = ":pw@" if "requirepass" in config else ""
    found = (await wrong(on(f"redis://{auth}127.0.0.1:{server.port}")))[part]
    assert says in found.found
    assert found.advice


async def test_snapshots_count_and_protected_mode_does(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.single(save="60 1", bind="*")
    assert not await wrong(on(server.url))


async def test_keys_that_were_evicted(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.single(maxmemory="2mb", maxmemory_policy="allkeys-lru")
    with server.client() as client:
        await until(
            lambda: client.set(f"k{client.dbsize()}{client.time()}", "x" * 50_000) and client.info()["evicted_keys"]
        )
    assert "keys were evicted" in (await wrong(on(server.url)))["memory"].found


async def test_what_nobody_may_see_is_said_to_be_unknown(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.with_user("mine")
    found = {finding.part: finding async for finding in examine(on(server.url, prefix="mine"))}
    assert found["persistence"].verdict == "unknown"
    assert "CONFIG is not allowed" in found["persistence"].advice
    assert found["access"].verdict == "ok"  # this machine alone


async def test_a_clock_that_is_off(redis_servers: Servers, on: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    from toril.store.redis import examining

    monkeypatch.setattr(examining.time, "time", lambda real=examining.time.time: real() - 90)
    found = (await wrong(on(redis_servers.durable().url)))["clock"]
    assert found.found.startswith("the server's is +90")


async def test_a_store_that_is_down_or_shut(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.with_password()
    assert "uth" in (await wrong(on(f"redis://127.0.0.1:{server.port}")))["store"].found
    server.stop()
    assert "see that it runs" in (await wrong(on(server.url)))["store"].advice


async def test_queues_and_schedules(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.durable()
    before, app = on(server.url), on(server.url)

    @before.every(60)
    @before.task(queue="work", name="gone")
    async def gone() -> None: ...

    await before.put_schedules()

    @app.task(queue="work")
    async def here() -> None: ...

    await here.enqueue()
    with server.client() as client:
        fields = {"name": "x", "data": "{}", "opts": '{"attempts":0}', "timestamp": 1}
        client.hset("bull:node:1", mapping=fields)
        client.hset("bull:node:meta", mapping={"version": "bullmq:6.7.0"})
        client.zadd("bull:node:completed", {str(number): number for number in range(20_000, 1, -1)} | {"1": 50_000})
    found = await wrong(app)
    assert re.match("(1 job|2 jobs) ready, no worker serves it", found["queue work"].found)
    assert "all of its 20,000 completed jobs are kept" in found["queue node"].found
    assert "removeOnComplete" in found["queue node"].advice
    assert "declares it no more" in found["schedule gone"].found


async def test_a_worker_that_is_not_ours(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.single()
    app = on(server.url)
    worker = Worker(app, {"mails": 1})
    running = asyncio.create_task(worker.run())
    name = "bull:bWFpbHM="
    with server.client() as client:
        await until(lambda: any(line["name"].startswith(name) for line in client.client_list()))
        finding = await app.store.strangers("mails")
        assert finding is not None
        assert finding.verdict == "ok"
        with server.client(client_name=f"{name}:w:node") as node:
            node.ping()
            finding = await app.store.strangers("mails")
            assert finding is not None
            assert (finding.verdict, finding.found) == ("wrong", "1 beside Toril's")
    worker.stop()
    await running


async def test_a_worker_warns_at_its_start(
    redis_servers: Servers, on: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(on(redis_servers.single(maxmemory_policy="volatile-lru").url), {"work": 1})
    running = asyncio.create_task(worker.run())
    await until(lambda: "maxmemory-policy volatile-lru" in caplog.text)
    worker.stop()
    await running
    assert "a restart loses every job" in caplog.text
    assert all(record.levelno == logging.WARNING for record in caplog.records if "maxmemory" in record.message)


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, Any]:
    monkeypatch.setattr(sys, "argv", ["toril", "doctor", *arguments, "--json"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def test_the_command(
    redis_servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORIL_URL", redis_servers.durable().url)
    code, found = run(capsys, monkeypatch)
    assert code == 0
    assert found[1] == {"part": "server", "verdict": "ok", "found": found[1]["found"], "advice": ""}
    monkeypatch.setenv("TORIL_URL", redis_servers.single().url)
    monkeypatch.setenv("TORIL_MAIL_URL", "smtp://127.0.0.1:1")
    code, found = run(capsys, monkeypatch)
    assert code == 1
    assert [row["part"] for row in found if row["verdict"] == "wrong"] == ["persistence", "mail server"]


def test_the_command_on_sqlite_with_a_mailer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "doctored.py").write_text(
        'from toril import Toril\nfrom toril.messaging import Mailer\napp = Toril("sqlite:///jobs.db")\n'
        'mailer = Mailer(app, "memory://", from_address="a@example.com")\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    code, found = run(capsys, monkeypatch, "--app", "doctored:app", "--mailer", "doctored:mailer")
    assert code == 0, found
    assert {"store", "queues", "mail server", "delivery log"} <= {row["part"] for row in found}


def test_keys_of_a_server_are_left_alone(redis_client: redis.Redis, prefix: str, on: MakeApp, redis_url: str) -> None:
    asyncio.run(wrong(on(redis_url, prefix=prefix)))
    assert not list(redis_client.scan_iter(f"{prefix}:*"))
