"""The list of suppressions: who stands in it, and what is added and taken away."""

from __future__ import annotations

import re

import pytest

from dashboard.office import Browser, Office

pytestmark = pytest.mark.parametrize("store_kind", ["sqlite-file"])


async def test_it_tells_who_why_and_of_which_scope(maria: Browser, noor: Browser) -> None:
    for reader, address in ((maria, "dan@example.com"), (noor, "d***@example.com")):
        page = (await reader.get("/suppressions")).text
        assert f"<b>{address}</b>" in page
        assert "hard bounce" in page
        assert f"550 no mailbox {address}" in page
        assert ">all</span>" in page
    assert "Remove" not in (await noor.get("/suppressions")).text


async def test_one_is_added_looked_up_and_removed(office: Office, maria: Browser) -> None:
    added = await maria.post("/suppressions", address="Eve@example.com", scope="marketing", reason="asked by phone")
    assert "Eve@example.com gets no more mail (scope marketing)." in added.text
    (found,) = await office.mailer.suppressions(address="eve@example.com")
    assert (found.scope, found.reason) == ("marketing", "asked by phone")
    again = await maria.post("/suppressions", address="eve@example.com", scope="marketing")
    assert "stood in the list already" in again.text
    looked = (await maria.get("/suppressions", address="eve@example.com")).text
    assert "asked by phone" in looked
    assert "hard bounce" not in looked
    gone = await maria.post("/suppressions/remove", address="eve@example.com", scope="marketing")
    assert "gets mail again" in gone.text
    assert await office.mailer.suppressions(address="eve@example.com") == []


async def test_the_audit_log_outlives_an_address_and_keeps_none(maria: Browser) -> None:
    await maria.post("/suppressions", address="eve@example.com", scope="all")
    audit = (await maria.get("/audit")).text
    assert re.search(r"<b>suppress</b>.*?e\*\*\*@example\.com, scope all", audit, re.DOTALL)
    assert "eve@example.com" not in audit


@pytest.mark.parametrize(
    ("address", "scope", "says"), [("nobody", "all", "address"), ("eve@example.com", "No such!", "scope: expected")]
)
async def test_a_bad_form_is_shown_again_with_what_is_wrong(
    office: Office, maria: Browser, address: str, scope: str, says: str
) -> None:
    answer = await maria.post("/suppressions", address=address, scope=scope, reason="because")
    assert answer.status_code == 400
    assert says in answer.text
    assert f'value="{address}"' in answer.text
    assert 'value="because"' in answer.text
    assert len(await office.mailer.suppressions()) == 1


async def test_an_address_that_was_forgotten_is_not_shown(office: Office, maria: Browser) -> None:
    await office.mailer.forget("dan@example.com")
    page = (await maria.get("/suppressions")).text
    assert "somebody who asked to be forgotten" in page
    assert "sha256" not in page


async def test_a_lookup_that_is_no_address_is_explained(maria: Browser) -> None:
    answer = await maria.get("/suppressions", address="dan")
    assert answer.status_code == 400
    assert "address: " in answer.text


async def test_what_one_recipient_got_is_reached_without_showing_who(noor: Browser) -> None:
    log = (await noor.get("/messages")).text
    mail = re.search(r'href="([^"]+/messages/[^"]+)" ?>|data-open href="([^"]+/messages/[^"]+)"', log)
    assert mail
    message = (await noor.get(mail[2])).text
    link = re.search(r'href="([^"]+\?of=[^"]+)"', message)
    assert link
    page = (await noor.get(link[1])).text
    assert "What one recipient got" in page
    assert "&gt; RCPT TO:&lt;a***@example.com&gt;" in page
    assert "ana@" not in page
