"""FastAPI and Starlette under uvicorn."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
from servers import PATIENCE, Process, Run, post_all

from toril import Toril


def test_jobs_run_inside_the_web_process(run: Run) -> None:
    server = run("uvicorn fastapi_app:web", serves=True)
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        answer = client.post("/signup", params={"email": "ana@example.com"})
        assert answer.status_code == 202
        assert client.get(f"/jobs/{answer.json()['job']}").json() == {"result": "welcomed ana@example.com"}
        assert client.get("/jobs/4711").status_code == 404
    assert server.sent() == ["ana@example.com"]


async def test_a_stop_under_load_loses_nothing_and_runs_nothing_twice(run: Run, jobs: Toril) -> None:
    server = run("uvicorn fastapi_app:web", serves=True)
    promised = _post_until_it_stops(server, stop_after=300)
    async with jobs:
        queue = jobs.queue("emails")
        completed = (await queue.jobs("completed", limit=1000)).jobs
        waiting = (await queue.jobs("waiting", limit=1000)).jobs
        counts = await queue.counts()
    assert counts["active"] == counts["failed"] == counts["delayed"] == 0, counts
    assert {job.record.starts for job in completed} == {1}
    assert promised <= {job.id for job in completed} | {job.id for job in waiting}
    assert len(server.sent()) == len(completed)

    run("toril worker jobs:app --queues emails=20", "--burst").wait()
    assert set(Counter(server.sent()).values()) == {1}
    assert len(server.sent()) == len(completed) + len(waiting)


def _post_until_it_stops(server: Process, stop_after: int) -> set[str]:
    """Post from 8 clients until the server is gone, stopping it on the way; return the ids that it promised."""
    promised: set[str] = set()
    enough = threading.Event()

    def post(client_number: int) -> None:
        with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
            for number in range(1000):
                try:
                    answer = client.post("/signup", params={"email": f"{number}@{client_number}.example.com"})
                except httpx.TransportError:
                    return
                assert answer.status_code == 202
                promised.add(answer.json()["job"])
                if len(promised) >= stop_after:
                    enough.set()

    with ThreadPoolExecutor(8) as pool:
        posting = [pool.submit(post, number) for number in range(8)]
        enough.wait(PATIENCE)
        server.stop()
    for done in posting:
        done.result()
    return promised


def test_a_host_closes_its_own_after_the_worker(run: Run) -> None:
    server = run("uvicorn fastapi_own_lifespan:web", serves=True)
    post_all(server.url, [f"/signup?email={number}" for number in range(100)])
    server.stop()
    lines = server.sent()
    assert lines[0] == "database opened"
    assert lines[-1] == "database closed"
    assert 2 < len(lines) <= 102


async def test_two_processes_that_only_enqueue(run: Run, jobs: Toril) -> None:
    server = run("uvicorn starlette_app:web --workers 2", serves=True)
    emails = {f"{number}@example.com" for number in range(200)}
    answers = post_all(server.url, [f"/signup?email={email}" for email in emails])
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job"] for answer in answers}) == 200
    server.stop()
    async with jobs:
        assert (await jobs.queue("emails").counts())["waiting"] == 200
    assert server.sent() == []

    run("toril worker jobs:app --queues emails=20", "--burst").wait()
    assert set(server.sent()) == emails
    assert len(server.sent()) == 200
