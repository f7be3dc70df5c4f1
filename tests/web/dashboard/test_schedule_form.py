"""Schedules that are added and edited by hand: when they will run is seen before they are stored."""

from __future__ import annotations

import re
from html import unescape

import pytest

from dashboard.office import Browser, Office

pytestmark = pytest.mark.parametrize("store_kind", ["sqlite-file", "redis"])

NIGHTLY = {"id": "nightly", "task": "charge", "queue": "line", "data": '{"order": 2}', "cron": "0 3 * * *"}


def fields(text: str) -> dict[str, str]:
    """Return what the form of a page would send."""
    inputs = re.findall(r'<input[^>]* name="(\w+)"[^>]*? value="([^"]*)"', text)
    found = {name: unescape(value) for name, value in inputs if name != "csrf_token"}
    data = re.search(r'<textarea name="data"[^>]*>(.*?)</textarea>', text, re.DOTALL)
    missed = re.search(r'<option value="(\w+)" selected', text)
    assert data
    assert missed
    return {**found, "data": unescape(data[1]), "missed": missed[1]}


async def test_one_is_stored_after_its_runs_were_seen(office: Office, maria: Browser) -> None:
    assert "Add a schedule" in (await maria.get("/schedules")).text
    form = fields((await maria.get("/schedules/new")).text) | NIGHTLY | {"tz": "Asia/Tokyo"}
    looked = await maria.post("/schedules/new", **form, act="save")  # not before they were seen
    assert "At 03:00 (Asia/Tokyo)" in looked.text
    assert len(re.findall(r"<li><b>\w{3} \d\d \w{3} \d{4}, 03:00 Asia/Tokyo</b>", looked.text)) == 5
    assert [one.id for one in await office.app.schedules()] == ["digest"]
    stored = await maria.post("/schedules/new", **fields(looked.text), act="save")
    assert "Schedule nightly is stored." in stored.text
    (found,) = (one for one in await office.app.schedules() if one.id == "nightly")
    assert (found.task, found.queue, found.data) == ("charge", "line", {"order": 2})
    assert (found.cron, found.tz, found.declared) == ("0 3 * * *", "Asia/Tokyo", False)
    assert "nightly: At 03:00 (Asia/Tokyo)" in (await maria.get("/audit")).text


async def test_what_was_changed_after_the_look_is_looked_at_again(office: Office, maria: Browser) -> None:
    looked = await maria.post("/schedules/new", **NIGHTLY, missed="once", act="look")
    again = await maria.post("/schedules/new", **fields(looked.text) | {"cron": "0 4 * * *"}, act="save")
    assert "At 04:00" in again.text
    assert [one.id for one in await office.app.schedules()] == ["digest"]


BAD = [
    ({"cron": "0 25 * * *"}, "hour"),
    ({"every": "60"}, "cron, every: expected one of them"),
    ({"cron": ""}, "cron, every: expected one of them"),
    ({"cron": "", "every": "soon"}, "every: expected a number"),
    ({"tz": "Mars"}, "expected an IANA zone"),
    ({"end": "2001-01-01T00:00"}, "end: expected a moment to come"),
    ({"end": "tomorrow"}, "end: expected a date and a time"),
    ({"limit": "1.5"}, "limit: expected a whole number"),
    ({"missed": "never"}, "missed: expected once, skip or all"),
    ({"id": "a:b"}, "id: expected text"),
    ({"id": "digest"}, "there is a schedule"),
    ({"queue": "a:b"}, "without a colon"),
    ({"data": "{"}, "data: expected JSON"),
    ({"data": '{"order": "x"}'}, "order"),
]


async def test_a_bad_form_is_shown_again_with_what_is_wrong(office: Office, maria: Browser) -> None:
    for changed, says in BAD:
        answer = await maria.post("/schedules/new", **{**NIGHTLY, "missed": "once", "act": "look", **changed})
        assert answer.status_code == 400, changed
        assert says in unescape(answer.text), changed
        assert 'name="task" list="tasks" value="charge"' in answer.text, changed
    assert [one.id for one in await office.app.schedules()] == ["digest"]


async def test_one_is_edited_and_keeps_what_its_form_does_not_say(office: Office, maria: Browser) -> None:
    line = office.app.queue("line", attempts=4)
    await line.schedule("charge", {"order": 2, "token": "tok_51x9"}, id="s", cron="0 3 * * *", tz="UTC", missed="skip")
    assert "Edit: s" in (await maria.get("/schedules")).text
    page = (await maria.get("/schedules/s/edit")).text
    assert "tok_51x9" not in page
    form = fields(page) | {"cron": "", "every": "90", "limit": "7"}
    looked = await maria.post("/schedules/s/edit", **form, act="look")
    assert "Every 1 min 30 s" in looked.text
    changed = await maria.post("/schedules/s/edit", **fields(looked.text), act="save")
    assert "Schedule s is changed." in changed.text
    (found,) = (one for one in await office.app.schedules() if one.id == "s")
    assert (found.every, found.cron, found.limit, found.missed) == (90, None, 7, "skip")
    assert found.data == {"order": 2, "token": "tok_51x9"}


async def test_one_that_code_declares_is_not_edited(office: Office, maria: Browser) -> None:
    assert "Edit: digest" not in (await maria.get("/schedules")).text
    form = fields((await maria.get("/schedules/digest/edit")).text) | {"cron": "0 4 * * *"}
    looked = await maria.post("/schedules/digest/edit", **form, act="look")
    answer = await maria.post("/schedules/digest/edit", **fields(looked.text), act="save")
    assert "declared by code" in answer.text
    assert (await maria.get("/schedules/none/edit")).status_code == 404


async def test_who_may_only_look_gets_no_form(noor: Browser) -> None:
    assert "Add a schedule" not in (await noor.get("/schedules")).text
    for path in ("/schedules/new", "/schedules/digest/edit"):
        assert (await noor.get(path)).status_code == 403
