"""Django: sync and async views, under gunicorn (WSGI) and uvicorn (ASGI), with a worker beside."""

from __future__ import annotations

import httpx
import pytest
from servers import PATIENCE, Run, post_all, result_of

from toril import Toril

SERVERS = ["gunicorn --preload --workers 4 --threads 4 shop.wsgi", "uvicorn shop.asgi:application --workers 2"]
WORKER = "toril worker shop.worker:app --queues emails=20"


@pytest.mark.parametrize("command", SERVERS, ids=["wsgi", "asgi"])
async def test_sync_and_async_views_enqueue(run: Run, jobs: Toril, command: str) -> None:
    server = run(command, serves=True)
    emails = {f"{number}@{view}.example.com": view for view in ("signup", "signup-async") for number in range(100)}
    answers = post_all(server.url, [f"/{view}?email={email}" for email, view in emails.items()])
    assert {answer.status_code for answer in answers} == {202}
    server.stop()
    async with jobs:
        assert (await jobs.queue("emails").counts())["waiting"] == 200
    assert run(WORKER, "--burst").wait() == 0
    assert sorted(server.sent()) == sorted(emails)


@pytest.mark.parametrize("command", SERVERS, ids=["wsgi", "asgi"])
def test_a_view_can_wait_for_a_result(run: Run, command: str) -> None:
    server = run(command, serves=True)
    job = httpx.post(f"{server.url}/signup?email=ana@example.com", timeout=PATIENCE).json()["job"]
    run(WORKER)
    assert result_of(server.url, job) == "welcomed ana@example.com"


async def test_a_job_waits_for_the_commit(run: Run, jobs: Toril) -> None:
    server = run(SERVERS[0], serves=True)
    done, rolled_back = post_all(
        server.url, ["/order?item=1&email=ana@example.com", "/order?item=&email=bob@example.com"]
    )
    assert (done.status_code, rolled_back.status_code) == (202, 404)
    async with jobs:
        page = await jobs.queue("emails").jobs("waiting")
    assert [job.record.data for job in page.jobs] == ['{"to":"ana@example.com"}']
