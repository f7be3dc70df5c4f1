"""Flask under gunicorn: processes forked after the application was imported, threads in each."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from servers import PATIENCE, Run, post_all, result_of

from toril import Toril

GUNICORN = "gunicorn --preload --workers 4 --threads 4 flask_app:web"
IN_THE_MASTER = """
def when_ready(server):
    from jobs import welcome
    welcome.enqueue_sync(to="before the fork")
"""


@pytest.mark.slow
@pytest.mark.parametrize("before", [[], ["before the fork"]], ids=["imported", "used"])
async def test_2000_enqueues_of_forked_processes_are_all_there(
    run: Run, jobs: Toril, tmp_path: Path, before: list[str]
) -> None:
    if before:
        (tmp_path / "gunicorn.conf.py").write_text(IN_THE_MASTER)
    server = run(GUNICORN, serves=True)
    emails = [f"{number}@example.com" for number in range(2000)]
    answers = post_all(server.url, [f"/signup?email={email}" for email in emails], threads=16)
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job"] for answer in answers}) == 2000
    assert server.stop() == 0
    async with jobs:
        assert sorted(await _waiting(jobs)) == sorted(before + emails)


async def _waiting(jobs: Toril) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = await jobs.queue("emails").jobs("waiting", limit=1000, after=after)
        found += [json.loads(job.record.data)["to"] for job in page.jobs]
        after = page.after
        if after is None:
            return found


def test_views_count_jobs_and_wait_for_results(run: Run) -> None:
    server = run(GUNICORN, serves=True)
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        job = client.post("/signup?email=ana@example.com").json()["job"]
        assert client.get("/queue").json()["waiting"] == 1
        assert client.get("/jobs/4711").status_code == 404
    run("toril worker jobs:app --queues emails=20")
    assert result_of(server.url, job) == "welcomed ana@example.com"
