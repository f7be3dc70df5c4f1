"""What buttons do, and that it stands in the audit log."""

from __future__ import annotations

import re
from html import unescape

import pytest

from dashboard.office import BASE, Browser, Office
from toril import Worker

pytestmark = pytest.mark.parametrize("store_kind", ["sqlite-file", pytest.param("redis", marks=pytest.mark.slow)])


def ids(text: str) -> list[str]:
    """Return the ids of the jobs that a page lets choose."""
    return [unescape(found) for found in re.findall(r'name="id" value="([^"]+)"', text)]


async def test_pause_and_resume_say_who_and_why(office: Office, maria: Browser) -> None:
    line = office.app.queue("line")
    answer = await maria.post("/queues/line/pause", why="the bank is down")
    assert "Queue line is paused." in answer.text
    assert "the bank is down" in answer.text
    assert ((await line.paused())["by"], (await line.paused())["why"]) == ("maria", "the bank is down")
    assert "Queue line is paused." not in (await maria.get("/queues/line")).text  # said once
    await maria.post("/queues/line/resume")
    assert await line.paused() is None
    audit = (await maria.get("/audit")).text
    assert audit.index("resume") < audit.index("pause</b>")


async def test_chosen_jobs_run_again(office: Office, maria: Browser) -> None:
    chosen = ids((await maria.get("/queues/line", state="failed")).text)
    assert len(chosen) == 3
    answer = await maria.post("/queues/line/selection", verb="retry", state="failed", q="", id=chosen[:2])
    assert "Retried 2 jobs." in answer.text
    assert (await office.app.queue("line").counts())["failed"] == 1


async def test_all_that_a_filter_finds_are_removed_and_no_other(office: Office, maria: Browser) -> None:
    await office.app.queue("line").add_many([("other", {}) for _ in range(1_500)], delay=3600)
    form = {"verb": "remove", "scope": "all", "state": "delayed", "q": "name:other"}
    answer = await maria.post("/queues/line/selection", **form)
    assert "Removed 1,500 jobs." in answer.text
    assert (await office.app.queue("line").counts())["delayed"] == 4  # the schedule's next one among them


async def test_delayed_ones_are_let_run_and_cancelled(office: Office, maria: Browser) -> None:
    chosen = ids((await maria.get("/queues/line", state="delayed", q="name:charge")).text)
    assert len(chosen) == 3
    await maria.post("/queues/line/selection", verb="promote", state="delayed", id=chosen[:1])
    answer = await maria.post("/queues/line/selection", verb="cancel", state="delayed", id=[*chosen[1:], "gone"])
    assert "Cancelled 2 jobs (1 could not be)." in answer.text
    job = await office.app.queue("line").get(chosen[1])
    assert job is not None
    assert job.record.reason == "Cancelled: by maria"


async def test_a_group_of_failures_runs_again(office: Office, maria: Browser) -> None:
    page = (await maria.get("/errors")).text
    group = re.search(r'name="group" value="(\w+)"', page)
    assert group
    answer = await maria.post("/errors/line/retry", group=group[1])
    assert "Retried 3 jobs of line." in answer.text
    assert "No failed job is kept" in answer.text


async def test_a_job_is_added_and_a_bad_one_is_explained_in_its_form(office: Office, maria: Browser) -> None:
    assert (
        "<code>charge</code> takes <code>order</code>, <code>token</code>" in (await maria.get("/queues/line/add")).text
    )
    bad = await maria.post("/queues/line/add", name="charge", data='{"order": 1,}', delay="", job_id="mine")
    assert bad.status_code == 400
    assert "data: expected JSON" in bad.text
    assert 'value="mine"' in bad.text
    wrong = await maria.post("/queues/line/add", name="charge", data='{"order": "x"}')
    assert wrong.status_code == 400
    assert "order" in wrong.text
    late = await maria.post("/queues/line/add", name="charge", data='{"order": 2}', delay="soon")
    assert "delay: expected a number" in late.text
    good = await maria.post("/queues/line/add", name="charge", data='{"order": 2}', delay="60", job_id="mine")
    assert good.status_code == 200
    assert good.url.path == f"{BASE}/queues/line/jobs/mine"
    job = await office.app.queue("line").get("mine")
    assert job is not None
    assert (job.record.state, job.record.data) == ("delayed", '{"order":2}')


async def test_a_failed_job_runs_again_with_other_data(office: Office, maria: Browser) -> None:
    (job_id, *_) = ids((await maria.get("/queues/line", state="failed")).text)
    answer = await maria.post(f"/queues/line/jobs/{job_id}/retry", data='{"order": 4}')
    assert "It runs again." in answer.text
    await Worker(office.app, {"line": 5}, burst=True).run()
    job = await office.app.queue("line").get(job_id)
    assert job is not None
    assert (job.record.state, job.record.result) == ("completed", '"paid 4"')


async def test_a_waiting_job_is_changed_and_what_cannot_be_is_told(office: Office, maria: Browser) -> None:
    (job_id, *_) = ids((await maria.get("/queues/line", state="prioritized")).text)
    await maria.post(f"/queues/line/jobs/{job_id}/change", priority="7", data="", delay="")
    job = await office.app.queue("line").get(job_id)
    assert job is not None
    assert job.record.priority == 7
    nothing = await maria.post(f"/queues/line/jobs/{job_id}/change", priority="")
    assert nothing.status_code == 422
    assert "expected at least one of them" in nothing.text
    wrong = await maria.post(f"/queues/line/jobs/{job_id}/promote")
    assert wrong.status_code == 409
    assert "expected delayed" in wrong.text
    gone = await maria.post(f"/queues/line/jobs/{job_id}/remove")
    assert gone.url.path == f"{BASE}/queues/line"


async def test_limits_cleaning_and_draining(office: Office, maria: Browser) -> None:
    line = office.app.queue("line")
    await maria.post("/queues/line/limits", concurrency="3", jobs="10", per="60")
    limits = await line.limits()
    assert (limits.concurrency, limits.rate.n, limits.rate.per) == (3, 10, 60.0)
    await maria.post("/queues/line/limits", concurrency="", jobs="", per="")
    assert (await line.limits()).concurrency is None
    answer = await maria.post("/queues/line/clean", state="completed", hours="0")
    assert "Removed 3 completed jobs." in answer.text
    answer = await maria.post("/queues/line/drain", delayed="yes")
    assert "Removed 4 jobs." in answer.text
    counts = await line.counts()
    assert (counts["ready"], counts["delayed"]) == (0, 1)  # the schedule's next


DEEP = "[" * 5_000 + "]" * 5_000
ODD = [
    ("limits", "concurrency", ["nan", "inf", "1.5", "-1", "9" * 30, "9" * 5_000]),
    ("limits", "jobs", ["nan", "-inf", "2.5", "9" * 30]),
    ("clean", "hours", ["nan", "inf", "1e308", "-1", "9" * 30]),
    ("add", "priority", ["nan", "inf", "0.5", "9" * 5_000]),
    ("add", "attempts", ["nan", "inf", "1.5"]),
    ("add", "data", [DEEP]),
]


@pytest.mark.parametrize(("act", "field", "values"), ODD)
async def test_what_is_no_such_number_is_refused_by_the_name_of_its_field(
    maria: Browser, act: str, field: str, values: list[str]
) -> None:
    for value in values:
        form = {"name": "charge", "state": "completed", "data": '{"order": 2}', field: value}
        answer = await maria.post(f"/queues/line/{act}", **form)
        assert answer.status_code in {400, 422}, value[:40]
        told = {"hours": "older_than", "jobs": "rate n"}
        assert any(f"{name}: expected" in answer.text for name in (field, told.get(field, field))), value[:40]


async def test_a_schedule_runs_now_and_is_removed(office: Office, maria: Browser) -> None:
    page = (await maria.get("/schedules")).text
    assert "At 09:00, Monday through Friday (Europe/Berlin)" in page
    answer = await maria.post("/schedules/digest/run")
    assert "Added a job of schedule digest." in answer.text
    await maria.post("/schedules/digest/remove")
    assert await office.app.schedules() == []


async def test_a_mail_that_waits_says_why(office: Office, maria: Browser) -> None:
    handle = await office.mailer.send("welcome", to="bo@example.com", context={"name": "Bo", "link": "https://a.b/c"})
    page = (await maria.get(f"/messages/{handle.id}")).text
    assert "<b>Why it is not sent:</b> no worker serves queue email-queue: no worker is alive." in page
    assert (await maria.get(f"/queues/email-queue/jobs/{handle.job_id}")).status_code == 200
    await handle.cancel()
    assert "Why it is not sent" not in (await maria.get(f"/messages/{handle.id}")).text


async def test_a_mail_is_sent_again(office: Office, maria: Browser) -> None:
    handle = await office.mailer.send(
        "password-reset", to="bo@example.com", context={"name": "Bo", "link": "https://a.b/c"}, delay=60
    )
    answer = await maria.post(f"/messages/{handle.id}/cancel")
    assert "It is taken back." in answer.text
    assert await handle.status() == "cancelled"
    answer = await maria.post(f"/messages/{handle.id}/retry")
    assert "It is sent again." in answer.text
    assert await handle.status() == "pending"


async def test_what_fails_stands_in_the_audit_log_too(maria: Browser) -> None:
    await maria.post("/schedules/none/run")
    audit = (await maria.get("/audit")).text
    assert "run-schedule" in audit
    assert "failed: ScheduleNotFound" in audit


async def test_a_queue_is_removed_by_who_gives_its_name(office: Office, maria: Browser) -> None:
    wrong = await maria.post("/queues/paused/obliterate", sure="line")
    assert wrong.status_code == 422
    assert "expected the queue" in wrong.text
    done = await maria.post("/queues/paused/obliterate", sure="paused")
    assert "Queue paused is removed with 1 job." in done.text
    assert "obliterate" in (await maria.get("/audit")).text


async def test_a_copy_of_a_job_takes_its_secrets_along(office: Office, maria: Browser) -> None:
    (job_id, *_) = ids((await maria.get("/queues/line", state="failed")).text)
    page = (await maria.get("/queues/line/add", like=job_id)).text
    assert "tok_51x9" not in page
    data = re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
    assert data
    await maria.post("/queues/line/add", name="charge", data=unescape(data[1]), like=job_id, job_id="copy")
    copy, old = await office.app.queue("line").get("copy"), await office.app.queue("line").get(job_id)
    assert copy is not None
    assert old is not None
    assert (copy.record.data, copy.record.state) == (old.record.data, "waiting")
