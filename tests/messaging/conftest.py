"""A shop that sends mail on a clock that the test moves, with its delivery log on SQLite or PostgreSQL."""

import os

import pytest
from shops import KEY, Shop

from postgres import database, postgres
from prepared import lay_tables
from toril import Fixed
from toril.messaging import Mailer
from toril.messaging.database import _POSTGRESQL
from toril.messaging.mailbox import Mailbox


@pytest.fixture(scope="session")
def postgres_url():
    """The URL of a server."""
    if url := os.environ.get("TORIL_TEST_POSTGRES_URL"):
        yield url
        return
    with postgres() as server:
        yield server.url


@pytest.fixture
def patient(monkeypatch):
    """Give PostgreSQL longer than an application would: machines that run tests are slow now and then."""
    monkeypatch.setitem(_POSTGRESQL["connect_args"], "timeout", 10)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request, tmp_path, patient):
    """The URL of an empty database, on each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'mail.db'}"
        return
    with database(request.getfixturevalue("postgres_url")) as url:
        yield url


@pytest.fixture
async def mailbox():
    async with Mailbox(refuse={"nobody@example.com"}, defer={"later@example.com"}) as mailbox:
        yield mailbox


@pytest.fixture
def open_shop(make_app, clock, tmp_path):
    def make(transport, *, settings=None, **options):
        app = make_app(clock, **{"secret_keys": KEY, **(settings or {})})
        options = {"from_address": "Shop <shop@example.com>", "backoff": Fixed(30.0), **options}
        options["log_url"] = lay_tables(options.get("log_url", f"sqlite:///{tmp_path / 'mail.db'}"))
        return Shop(app, clock, Mailer(app, transport, **options))

    return make


@pytest.fixture
def shop_at(open_shop, mailbox, place):
    """A shop on each kind of database in turn."""
    return open_shop(mailbox.url, log_url=place)


@pytest.fixture
def shop(open_shop, mailbox):
    return open_shop(mailbox.url)
