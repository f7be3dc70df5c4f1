"""Every route and every role, as the routes themselves say; and a document's worth of nonsense sent to all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.routing import APIRoute

from toril import Toril
from toril.settings import Settings
from toril.web import Principal, Role, admin_router
from toril.web.gate import needs_of

ROLES = ("", "read", "send", "admin")
FILLED = {"queue": "emails", "job_id": "1", "schedule_id": "report", "mail_id": "1"}


def routes() -> Iterator[APIRoute]:
    """Yield the routes of an admin API, those of mail among them."""
    app = Toril("sqlite:///:memory:", settings=Settings(env={}, dotenv=None))
    for route in admin_router(app).routes:
        assert isinstance(route, APIRoute)
        yield route


ROUTES = list(routes())
CASES = [(route, method) for route in ROUTES for method in sorted(route.methods or ())]


def name(value: object) -> str:
    return value.path if isinstance(value, APIRoute) else str(value)


def test_there_are_routes():
    assert len(CASES) > 20


@pytest.mark.parametrize(("route", "method"), CASES, ids=name)
async def test_a_route_opens_to_its_roles_alone(site, route, method):
    """The request is empty or nonsense: whoever is let in gets any answer but 401 and 403."""
    path = re.sub(r"\{(\w+)\}", lambda found: FILLED[found[1]], route.path)
    needed = {role.value for role in needs_of(route).roles} | {"admin"}
    for role in ROLES:
        answer = await site[role].request(
            method, path, content=b"{ nonsense", headers={"content-type": "application/json"}
        )
        expected = 401 if not role else 403 if role not in needed else None
        if expected is None:
            assert answer.status_code not in {401, 403}
        else:
            assert answer.status_code == expected, role
            assert answer.headers["content-type"] == "application/problem+json"
    assert "read" not in needed or method == "GET"


@pytest.mark.parametrize(("route", "method"), [case for case in CASES if case[1] != "GET"], ids=name)
async def test_nothing_is_changed_in_read_only_mode(store, route, method):
    app = store.app()
    web = FastAPI()
    everything = Principal("ana", frozenset(Role))
    web.include_router(admin_router(app, authenticate=lambda _: everything, read_only=True))
    path = re.sub(r"\{(\w+)\}", lambda found: FILLED[found[1]], route.path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://x") as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (403, "read-only")


@pytest.mark.parametrize("wrong", ["Bearer x", "Bearer toril_x", "Bearer", "Basic eDp5", "bearer  "])
async def test_a_wrong_token_opens_nothing(site, wrong):
    answer = await site[""].get("/queues", headers={"authorization": wrong})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.slow
@pytest.mark.parametrize("role", ["admin", "read", ""])
async def test_whatever_is_sent_is_answered_as_documented(site, role):
    schema = schemathesis.openapi.from_asgi("/openapi.json", site.web)
    assert len(site.web.openapi()["paths"]) >= 18
    del schema
