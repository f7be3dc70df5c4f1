"""The admin API, resource by resource, on SQLite and on Redis."""

from __future__ import annotations

import asyncio
import json

import pytest

from toril import Worker, grouping
from toril.web import overview


async def failed(site, number: int = 1, **data: str) -> list[str]:
    """Add jobs that fail, run them, and return their ids."""
    queue = site.app.queue("emails")
    jobs = [await queue.add("broken", {"to": f"ana{n}@example.com", **data}) for n in range(number)]
    await site.app.run_pending(["emails"])
    return [job.id for job in jobs]


async def listed(site) -> dict[str, dict]:
    return {queue["name"]: queue for queue in (await site["read"].get("/queues")).json()["queues"]}


async def test_queues_are_listed_with_counts_and_health(site):
    assert (await listed(site))["emails"]["health"] == "ok"
    await site["send"].post("/queues/emails/jobs", json={"name": "welcome", "data": {"to": "ana@example.com"}})

    found = await listed(site)
    assert list(found) == sorted(found)
    assert (found["emails"]["counts"]["ready"], found["emails"]["health"]) == (1, "unserved")
    assert found["reports"]["workers"] == 0
    assert (await site["admin"].post("/queues/emails/pause", json={"why": "lunch"})).status_code == 204
    paused = (await listed(site))["emails"]
    assert (paused["health"], paused["paused"]["by"], paused["paused"]["why"]) == ("paused", "admin", "lunch")
    await site["admin"].post("/queues/emails/resume")
    assert not await site.app.queue("emails").paused()


async def test_one_queue_tells_its_throughput_latency_failures_and_forecast(site):
    await site.app.queue("emails").add("welcome", {"to": "bo@example.com"})
    await failed(site, 3)

    found = (await site["read"].get("/queues/emails", params={"minutes": 5})).json()
    assert sum(minute["completed"] for minute in found["minutes"]) == 1
    assert (len(found["minutes"]), found["each"]) == (5, 1)
    week = (await site["read"].get("/queues/emails", params={"minutes": 10_079})).json()
    assert (len(week["minutes"]), week["each"]) == (1_440, 7)
    assert sum(minute["completed"] for minute in week["minutes"]) == 1
    assert found["latency"]["jobs"] == 1
    assert found["latency"]["run"]["p99"] >= 0
    (group,) = found["failures"]["groups"]
    assert (group["task"], group["exception"], group["count"]) == ("broken", "ValueError", 3)
    assert found["forecast"]["backlog"] == 0
    missing = await site["read"].get("/queues/none")
    assert (missing.status_code, missing.json()["code"]) == (404, "queue-not-found")
    assert missing.headers["content-type"] == "application/problem+json"


async def test_many_failures_are_grouped_by_and_by_or_at_once_if_wanted(site, monkeypatch):
    monkeypatch.setattr(overview, "GROUPING", 0.0)
    monkeypatch.setattr(grouping, "PART", 2)
    await failed(site, 5)
    looks = [(await site["read"].get("/queues/emails/failures")).json() for _ in range(2)]
    assert [(look["looked"], look["total"]) for look in looks] == [(2, 5), (4, 5)]
    whole = (await site["read"].get("/queues/emails/failures", params={"whole": "true"})).json()
    assert (whole["looked"], whole["groups"][0]["count"]) == (5, 5)


async def test_jobs_are_found_and_paged(site):
    await failed(site, 5)
    await site.app.queue("emails").add("welcome", {"to": "bo@example.com"})

    first = (await site["read"].get("/queues/emails/jobs", params={"filter": "state:failed", "limit": 2})).json()
    assert (len(first["jobs"]), first["total"]) == (2, 5)
    seen = [job["id"] for job in first["jobs"]]
    page = first
    while page["after"]:
        page = (
            await site["read"].get(
                "/queues/emails/jobs", params={"filter": "state:failed", "limit": 2, "after": page["after"]}
            )
        ).json()
        seen += [job["id"] for job in page["jobs"]]
    assert len(set(seen)) == len(seen) == 5
    named = (await site["read"].get("/queues/emails/jobs", params={"filter": "name:wel*"})).json()
    assert [job["name"] for job in named["jobs"]] == ["welcome"]
    wrong = await site["read"].get("/queues/emails/jobs", params={"filter": "colour:red"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid-filter")


async def test_one_job_is_shown_in_full(site):
    (job_id,) = await failed(site, password="hunter2")

    found = (await site["admin"].get(f"/queues/emails/jobs/{job_id}")).json()
    assert (found["state"], found["attempts"], found["why"]["code"]) == ("failed", 1, "ended")
    assert "ValueError: no such address: ana0@example.com" in found["stack"][0]
    assert [moment["what"] for moment in found["timeline"]] == ["added", "started", "failed"]
    assert found["options"]["attempts"] == 1
    assert (await site["admin"].get(f"/queues/emails/jobs/{job_id}/log")).json() == {"lines": [], "total": 0}
    missing = await site["admin"].get("/queues/emails/jobs/none")
    assert (missing.status_code, missing.json()["code"]) == (404, "job-not-found")


async def test_secrets_are_shown_to_nobody_and_addresses_to_those_who_may_act(site):
    (job_id,) = await failed(site, password="hunter2")

    for role in ("read", "send", "admin"):
        text = (await site[role].get(f"/queues/emails/jobs/{job_id}")).text
        assert "hunter2" not in text
        assert ("ana0@example.com" in text) == (role == "admin")
    assert "ana0@example.com" not in (await site["read"].get("/queues/emails/jobs")).text
    assert "ana0@example.com" not in (await site["read"].get("/queues/emails")).text


@pytest.mark.parametrize("verb", ["retry", "reprocess"])
async def test_a_failed_job_runs_again_and_the_log_knows_by_whom(site, verb):
    (job_id,) = await failed(site, password="hunter2")

    body = {"json": {"data": {"to": "bo@example.com", "password": "********"}}} if verb == "reprocess" else {}
    assert (await site["admin"].post(f"/queues/emails/jobs/{job_id}/{verb}", **body)).status_code == 204
    job = await site.app.queue("emails").get(job_id)
    assert job.record.state == "waiting"
    if verb == "reprocess":
        assert json.loads(job.record.data) == {"to": "bo@example.com", "password": "hunter2"}
    (entry,) = (await site["admin"].get("/audit")).json()["entries"]
    assert (entry["who"], entry["action"], entry["jobs"], entry["outcome"]) == ("admin", verb, [job_id], "done")
    again = await site["admin"].post(f"/queues/emails/jobs/{job_id}/{verb}", **body)
    assert (again.status_code, again.json()["code"]) == (409, "wrong-state")


async def test_a_delayed_job_is_changed_promoted_cancelled_and_removed(site):
    added = await site["send"].post(
        "/queues/emails/jobs", json={"name": "welcome", "data": {"to": "a@b.co"}, "options": {"delay": 3600}}
    )
    assert added.status_code == 201
    place = f"/queues/emails/jobs/{added.json()['id']}"
    changed = {"priority": 3, "delay": 60, "data": {"to": "c@b.co"}}
    assert (await site["admin"].patch(place, json=changed)).status_code == 204
    found = (await site["admin"].get(place)).json()
    assert (found["state"], found["priority"], found["data"]["to"]) == ("delayed", 3, "c@b.co")
    assert (await site["admin"].post(f"{place}/promote")).status_code == 204
    assert (await site["admin"].post(f"{place}/promote")).status_code == 409
    assert (await site["admin"].post(f"{place}/cancel")).status_code == 204
    assert (await site["admin"].get(place)).json()["reason"] == "Cancelled: by admin"
    assert (await site["admin"].delete(place)).status_code == 204
    assert (await site["admin"].get(place)).status_code == 404


async def test_chosen_jobs_and_all_that_match(site):
    ids = await failed(site, 6)
    await site.app.queue("emails").add("welcome", {"to": "x@y.zz"}, delay=60)

    act = "/queues/emails/jobs/actions"
    some = (await site["admin"].post(act, json={"verb": "retry", "ids": [*ids[:2], "none"]})).json()
    assert (sorted(some["ids"]), some["skipped"]) == (sorted(ids[:2]), 1)
    rest = (await site["admin"].post(act, json={"verb": "retry", "filter": "name:broken"})).json()
    assert (sorted(rest["ids"]), rest["count"], rest["after"]) == (sorted(ids[2:]), 4, None)
    cancelled = (await site["admin"].post(act, json={"verb": "cancel", "filter": "state:waiting,delayed"})).json()
    assert cancelled["count"] == 7
    removed = (await site["admin"].post(act, json={"verb": "remove", "filter": "state:failed"})).json()
    assert removed["count"] == 7
    for body in ({"verb": "retry"}, {"verb": "retry", "ids": ["1"], "filter": "x"}, {"verb": "dance", "ids": ["1"]}):
        assert (await site["admin"].post(act, json=body)).status_code == 422
    nothing = await site["admin"].post(act, json={"verb": "promote", "filter": "state:failed"})
    assert nothing.status_code == 422


async def test_retrying_what_matches_leaves_completed_jobs_alone(site):
    await site.app.queue("emails").add("welcome", {"to": "bo@example.com"})
    await failed(site, 1)

    done = await site["admin"].post("/queues/emails/jobs/actions", json={"verb": "retry", "filter": "since:1h"})
    assert done.json()["count"] == 1
    assert (await site.app.queue("emails").counts())["completed"] == 1


async def test_a_queue_is_cleaned_drained_limited_and_removed(site):
    await failed(site, 2)
    await site.app.queue("emails").add("welcome", {"to": "bo@example.com"})
    await site.app.queue("emails").add("welcome", {"to": "bo@example.com"}, delay=60)

    assert (await site["admin"].post("/queues/emails/clean", json={"state": "failed"})).json() == {"count": 2}
    assert (await site["admin"].post("/queues/emails/drain", json={"delayed": True})).json() == {"count": 2}
    limits = {"concurrency": 3, "rate": {"n": 10, "per": 60.0}, "max_length": 1}
    assert (await site["admin"].put("/queues/emails/limits", json=limits)).json() == limits
    assert (await site["read"].get("/queues/emails")).json()["limits"] == limits
    new = {"name": "welcome", "data": {"to": "a@b.co"}}
    assert (await site["send"].post("/queues/emails/jobs", json=new)).status_code == 201
    full = await site["send"].post("/queues/emails/jobs", json=new)
    assert (full.status_code, full.json()["code"]) == (429, "queue-full")
    assert (await site["admin"].delete("/queues/emails")).status_code == 409
    await site["admin"].post("/queues/emails/pause")
    assert (await site["admin"].delete("/queues/emails")).json() == {"count": 1}


async def test_a_bad_job_is_refused_with_the_field_s_name(site):
    wrong = await site["send"].post("/queues/emails/jobs", json={"name": "welcome", "data": {"too": "x"}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid-arguments")
    assert "too" in wrong.json()["detail"]
    option = await site["send"].post("/queues/emails/jobs", json={"name": "x", "options": {"priority": -1}})
    assert option.json()["errors"] == [
        {"field": "body.options.priority", "message": "Input should be greater than or equal to 0"}
    ]


async def test_a_user_s_budget_is_kept_over_http(site):
    def new(user: int):
        budget = {"limit": 2, "per": 3600, "key": "data.user"}
        return site["send"].post(
            "/queues/push/jobs", json={"name": "n", "data": {"user": user}, "options": {"budget": budget}}
        )

    assert [(await new(1)).status_code for _ in range(3)] == [201, 201, 429]
    assert (await new(2)).status_code == 201
    spent = await new(1)
    assert spent.json()["code"] == "budget-exceeded"
    assert int(spent.headers["retry-after"]) > 3000


async def test_a_request_under_a_key_is_acted_upon_once(site):
    new = {"name": "welcome", "data": {"to": "a@b.co"}}
    headers = {"Idempotency-Key": "order-42"}
    answers = await asyncio.gather(
        *(site["send"].post("/queues/emails/jobs", json=new, headers=headers) for _ in range(5))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    again = await site["send"].post("/queues/emails/jobs", json=new, headers=headers)
    assert again.status_code == 201
    assert {answer.json()["id"] for answer in answers if answer.status_code == 201} == {again.json()["id"]}
    assert (await site.app.queue("emails").counts())["waiting"] == 1
    other = await site["send"].post(
        "/queues/emails/jobs", json={"name": "welcome", "data": {"to": "other@b.co"}}, headers=headers
    )
    assert (other.status_code, other.json()["code"]) == (422, "key-reused")
    elsewhere = await site["admin"].post("/queues/emails/jobs", json=new, headers=headers)
    assert elsewhere.json()["id"] != again.json()["id"]


async def test_schedules_are_listed_run_and_removed(site):
    await site.app.put_schedules()

    (found,) = (await site["read"].get("/schedules")).json()["schedules"]
    assert (found["id"], found["every"], found["declared"]) == ("report", 3600.0, True)
    ran = await site["admin"].post("/schedules/report/run")
    assert (ran.status_code, ran.json()["queue"]) == (201, "reports")
    elsewhere = await site["admin"].delete("/schedules/report?queue=other")
    assert elsewhere.json()["detail"] == "queue other has no schedule 'report': it is in reports"
    assert (await site["admin"].delete("/schedules/report?queue=reports")).status_code == 204
    assert (await site["admin"].delete("/schedules/report")).status_code == 404
    assert (await site["admin"].post("/schedules/report/run")).status_code == 404


async def test_workers_are_listed_with_what_they_run(site):
    begun, release = asyncio.Event(), asyncio.Event()

    @site.app.task(queue="slow")
    async def slow() -> None:
        begun.set()
        await release.wait()

    job = await slow.enqueue()
    worker = Worker(site.app, {"slow": 2})
    running = asyncio.create_task(worker.run())
    await asyncio.wait_for(begun.wait(), 10)
    (found,) = (await site["read"].get("/workers")).json()["workers"]
    assert found["queues"] == {"slow": 2}
    assert (await site["read"].get(f"/queues/slow/jobs/{job.id}")).json()["why"]["code"] == "active"
    release.set()
    worker.stop()
    await running


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(site):
    large = await site["send"].post("/queues/emails/jobs", content=b'{"name": "' + b"x" * 2_100_000 + b'"}')
    assert (large.status_code, large.json()["code"]) == (413, "body-too-large")

    async def chunks():
        for _ in range(30):
            yield b" " * 100_000

    chunked = await site["send"].post("/queues/emails/jobs", content=chunks())
    assert chunked.status_code == 413


async def test_pages_have_a_largest_size(site):
    assert (await site["read"].get("/queues/emails/jobs", params={"limit": 100_000})).status_code == 422
