"""A shop with jobs in every state and some mail, and people who look after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dashboard.office import KEY, PASSWORD, Browser, Office
from prepared import hash_quickly, lay_tables
from stores import KINDS, EmptyStore
from toril.messaging import Mailer
from toril.messaging.mailbox import Mailbox
from toril.web import users
from toril.web.database import Database


@pytest.fixture
def store_kind() -> str:
    """The kind of store; a test that is to run on several gives them as its parameter."""
    return "sqlite-file"


@pytest.fixture
async def store(store_kind: str) -> AsyncIterator[EmptyStore]:
    async with KINDS[store_kind]() as store:
        yield store


@pytest.fixture
async def office(store: EmptyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    hash_quickly(monkeypatch)
    async with Mailbox() as mailbox:
        app = store.app(secret_keys=KEY, mail_log_url=lay_tables(f"sqlite:///{tmp_path / 'mail.db'}"))
        office = Office(app, Mailer(app, mailbox.url, from_address="shop@example.com"), mailbox)
        people = users.Users(Database.of(app), app.clock)
        await people.put("maria", PASSWORD, ["admin"])
        await people.put("noor", PASSWORD, ["read"])
        await people.put("script", PASSWORD, ["send"])
        await office.fill()
        yield office
        await office.close()


@pytest.fixture
async def maria(office: Office) -> Browser:
    """Somebody who may do everything."""
    return await office.browser().login("maria")


@pytest.fixture
async def noor(office: Office) -> Browser:
    """Somebody who may look."""
    return await office.browser().login("noor")
