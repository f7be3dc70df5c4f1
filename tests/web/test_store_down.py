"""The store does not answer: another process was stopped inside a write transaction. Requests say so, and recover."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from servers import PATIENCE, Run, held

from toril import Toril

SERVERS = [
    "uvicorn fastapi_app:web",
    "gunicorn --preload --workers 4 --threads 4 flask_app:web",
    "gunicorn --preload --workers 4 --threads 4 shop.wsgi",
    "uvicorn shop.asgi:application --workers 2",
]


@pytest.fixture
async def made(jobs: Toril) -> None:
    """The store's file, made by somebody else."""
    async with jobs:
        await jobs.queue("emails").counts()


@pytest.mark.parametrize("command", SERVERS)
async def test_a_request_is_answered_and_nothing_written(
    run: Run, jobs: Toril, made: None, tmp_path: Path, command: str
) -> None:
    server = run(command, serves=True)
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        with held(tmp_path):
            answers = [client.post(f"/signup?email={number}") for number in range(2)]
        assert [answer.status_code for answer in answers] == [503, 503]
        assert answers[0].headers["Retry-After"] == "1"
        assert answers[0].json() == {"detail": "please try again in a moment"}
        after = client.post("/signup?email=later")
        assert after.status_code == 202
    server.stop()
    async with jobs:
        queue = jobs.queue("emails")
        ids = [job.id for state in ("waiting", "completed") for job in (await queue.jobs(state)).jobs]
    assert ids == [after.json()["job"]]


async def test_other_requests_go_on(run: Run, made: None, tmp_path: Path) -> None:
    server = run(SERVERS[0], serves=True)
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client, held(tmp_path), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.post, "/signup?email=ana")
        assert client.get("/jobs/4711").status_code == 404
        assert not waiting.done()
        assert waiting.result().status_code == 503


async def test_a_server_that_is_told_to_stop_does_not_wait_for_the_store(run: Run, made: None, tmp_path: Path) -> None:
    server = run(SERVERS[0], serves=True, TORIL_GRACE="1")
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client, held(tmp_path):
        assert client.post("/signup?email=ana").status_code == 503
        server.stop()
