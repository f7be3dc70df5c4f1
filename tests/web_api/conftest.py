"""An application with a queue of each kind, mounted in a host, and clients with each role."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx
import pytest
from fastapi import FastAPI

from prepared import lay_tables
from stores import KINDS, EmptyStore
from toril import Toril
from toril.messaging import Mailer
from toril.web import admin_router, health_router
from toril.web.desk import Desk

KEY = "k" * 40


class Site(NamedTuple):
    """A host that has included the admin API under `/ops`, its application, and clients by role (`""`: none)."""

    web: FastAPI
    app: Toril
    desk: Desk
    clients: dict[str, httpx.AsyncClient]

    def __getitem__(self, role: str) -> httpx.AsyncClient:
        return self.clients[role]


def declare(app: Toril) -> None:
    """Declare the tasks that the tests use."""

    @app.task(queue="emails", attempts=2)
    async def welcome(to: str, times: int = 1) -> str:
        return f"welcomed {to}" * times

    @app.task(queue="emails", keep_failed=100)
    async def broken(to: str, password: str = "") -> None:
        raise ValueError(f"no such address: {to} (password={password or 'none'})")

    @app.every(3600)
    @app.task(queue="reports")
    async def report() -> None:
        """Do nothing."""


def client(web: FastAPI, secret: str = "") -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    transport = httpx.ASGITransport(web)
    return httpx.AsyncClient(transport=transport, base_url="http://ops.test/ops", headers=headers, timeout=60)


@pytest.fixture(params=["sqlite-file", pytest.param("redis", marks=pytest.mark.slow)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[EmptyStore]:
    async with KINDS[request.param]() as empty:
        yield empty


@pytest.fixture
async def site(store: EmptyStore, tmp_path) -> AsyncIterator[Site]:
    log = lay_tables(f"sqlite:///{tmp_path}/mail.db")
    app = store.app(secret_keys=KEY, mail_log_url=log, mail_from_address="shop@example.com")
    declare(app)
    web = FastAPI()
    mailer = Mailer(app, "memory://")
    web.include_router(admin_router(app, mailer), prefix="/ops")
    web.include_router(health_router(app, mailer), prefix="/ops")
    desk = Desk(app)
    secrets = {role: (await desk.tokens.create(role, [role]))[1] for role in ("read", "send", "admin")}
    clients = {role: client(web, secret) for role, secret in {"": "", **secrets}.items()}
    yield Site(web, app, desk, clients)
    for one in clients.values():
        await one.aclose()
