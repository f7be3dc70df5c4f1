"""Mail over HTTP, from an application in any language."""

from __future__ import annotations

import base64

import pytest

WELCOME = {"type": "welcome", "to": "Ana <ana@example.com>", "context": {"name": "Ana", "link": "https://x.example/s"}}


async def test_a_mail_is_accepted_sent_and_its_life_can_be_read(site):
    accepted = await site["send"].post("/emails", json=WELCOME)
    assert accepted.status_code == 202
    place = f"/emails/{accepted.json()['id']}"
    assert (await site["send"].get(place)).json()["status"] == "pending"
    await site.app.run_pending(["email-queue"])

    found = (await site["admin"].get(place)).json()
    assert (found["status"], found["recipient"], found["attempts"]) == ("sent", "ana@example.com", 1)
    assert "sent" in [event["event"] for event in found["timeline"]]
    assert (await site["read"].get(place)).json()["recipient"] == "a***@example.com"
    assert (await site["admin"].post(f"{place}/cancel")).json()["code"] == "too-late"
    assert (await site["admin"].post(f"{place}/retry")).status_code == 409
    (entry,) = [entry for entry in (await site["admin"].get("/audit")).json()["entries"] if entry["action"] == "send"]
    assert (entry["who"], entry["jobs"], entry["detail"]) == ("send", [accepted.json()["id"]], "welcome")


async def test_a_mail_under_a_key_is_accepted_once(site):
    headers = {"Idempotency-Key": "order-1"}
    first = await site["send"].post("/emails", json=WELCOME, headers=headers)
    again = await site["send"].post("/emails", json=WELCOME, headers=headers)
    assert first.json() == again.json()
    assert len((await site["read"].get("/emails")).json()["emails"]) == 1
    other = await site["send"].post("/emails", json=WELCOME | {"to": "bo@example.com"}, headers=headers)
    assert other.status_code == 422


async def test_many_are_sent_in_one_call_and_paged(site):
    to = [{"to": f"c{n}@example.com", "context": {"name": f"C{n}"}} for n in range(5)]
    body = {"type": "welcome", "to": to, "context": {"link": "https://x.example/s"}}
    dry = (await site["send"].post("/emails/batch", json=body | {"dry_run": True})).json()
    assert (dry["total"], (await site["read"].get("/emails")).json()["emails"]) == (5, [])
    batch = (await site["send"].post("/emails/batch", json=body)).json()
    assert (batch["accepted"], len(batch["ids"])) == (5, 5)
    first = (await site["read"].get("/emails", params={"limit": 3, "batch": batch["id"]})).json()
    rest = (
        await site["read"].get("/emails", params={"limit": 3, "batch": batch["id"], "after": first["after"]})
    ).json()
    assert sorted(mail["id"] for page in (first, rest) for mail in page["emails"]) == sorted(batch["ids"])
    wrong = await site["send"].post("/emails/batch", json=body | {"to": [*to, {"to": "nobody"}]})
    assert (wrong.status_code, wrong.headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "none"}, "unknown-template"),
        ({"to": "nobody"}, "invalid-address"),
        ({"context": {}}, "invalid-context"),
        ({"subject": "a\r\nBcc: b@example.com"}, "invalid-message"),
        ({"attachments": [{"name": "a.txt", "content": "?"}]}, "invalid-message"),
        ({"attachments": [{"name": "a.txt"}]}, "invalid-request"),
        ({"attachments": [{"url": "file:///etc/passwd"}]}, "invalid-request"),
    ],
)
async def test_a_bad_mail_is_refused_and_nothing_is_written(site, change, code):
    answer = await site["send"].post("/emails", json=WELCOME | change)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await site["read"].get("/emails")).json()["emails"] == []


async def test_a_mail_takes_files_and_can_be_cancelled_and_tried_anew(site):
    files = [{"name": "bill.txt", "content": base64.b64encode(b"42").decode()}]
    body = WELCOME | {"attachments": files, "delay": 3600, "subject": "Hello", "cc": ["bo@example.com"]}
    accepted = await site["send"].post("/emails", json=body)
    assert accepted.status_code == 202, accepted.text
    place = f"/emails/{accepted.json()['id']}"
    assert (await site["admin"].post(f"{place}/cancel")).status_code == 204
    assert (await site["read"].get(place)).json()["status"] == "cancelled"
    assert (await site["admin"].post(f"{place}/retry")).status_code == 204
    assert (await site["read"].get(place)).json()["status"] == "pending"
    assert (await site["admin"].post("/emails/none/retry")).status_code == 404


async def test_a_test_mail_is_refused_outside_development(site):
    answer = await site["admin"].post("/emails/test", json={"type": "welcome", "to": "ana@example.com"})
    assert (answer.status_code, answer.json()["code"]) == (403, "test-mail-refused")
