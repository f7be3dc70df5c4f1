"""Every route and every role, as the routes themselves say; and a document's worth of nonsense sent to all of them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from typer.main import get_command

from stores import EmptyStore
from toril import Toril
from toril.cli.main import app as cli
from toril.messaging import Mailer
from toril.settings import Settings
from toril.web import Principal, Role, admin_router
from toril.web.gate import needs_of

ROLES = ("", "read", "send", "admin")
FILLED = {"queue": "emails", "group": "g", "job_id": "1", "schedule_id": "report", "mail_id": "1"}
OPEN = {"/ops/health/live", "/ops/health/ready"}  # for probes: they say one word
EXAMPLES = 15  # requests to each operation
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def routes() -> Iterator[tuple[APIRoute, str]]:
    """Yield the routes of an admin API with mail, and their methods."""
    app = Toril("sqlite:///:memory:", settings=Settings(env={}, dotenv=None))
    for route in admin_router(app, Mailer(app, "memory://", from_address="a@b.co")).routes:
        assert isinstance(route, APIRoute)
        for method in sorted(route.methods or ()):
            yield route, method


ROUTES = list(routes())


TWINS = {  # what an operator without a browser types; else why there is no command
    "GET /queues": "queues",
    "GET /queues/{queue}": "-- its parts have commands: queues, failures, limits",
    "GET /queues/{queue}/failures": "failures",
    "POST /queues/{queue}/failures/{group}/retry": "failures --retry",
    "POST /queues/{queue}/pause": "pause",
    "POST /queues/{queue}/resume": "resume",
    "POST /queues/{queue}/clean": "clean",
    "POST /queues/{queue}/drain": "drain",
    "GET /queues/{queue}/limits": "limits",
    "PUT /queues/{queue}/limits": "limits --concurrency",
    "DELETE /queues/{queue}": "obliterate",
    "GET /queues/{queue}/jobs": "jobs",
    "POST /queues/{queue}/jobs": "-- programs add jobs",
    "POST /queues/{queue}/jobs/actions": "retry --filter",
    "GET /queues/{queue}/jobs/{job_id}": "job",
    "GET /queues/{queue}/jobs/{job_id}/log": "job",
    "PATCH /queues/{queue}/jobs/{job_id}": "-- data are changed where they are seen whole: the dashboard",
    "DELETE /queues/{queue}/jobs/{job_id}": "remove",
    "POST /queues/{queue}/jobs/{job_id}/retry": "retry",
    "POST /queues/{queue}/jobs/{job_id}/reprocess": "-- data are changed where they are seen whole: the dashboard",
    "POST /queues/{queue}/jobs/{job_id}/promote": "promote",
    "POST /queues/{queue}/jobs/{job_id}/cancel": "cancel",
    "GET /schedules": "schedules list",
    "POST /schedules/{schedule_id}/run": "schedules run",
    "DELETE /schedules/{schedule_id}": "schedules remove",
    "GET /workers": "workers",
    "GET /audit": "audit",
    "POST /emails": "-- programs send mails",
    "POST /emails/batch": "-- programs send mails",
    "POST /emails/test": "mail test",
    "GET /emails": "mail list",
    "GET /emails/{mail_id}": "mail show",
    "POST /emails/{mail_id}/retry": "mail retry",
    "POST /emails/{mail_id}/cancel": "mail cancel",
}


def filled(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: FILLED[found[1]], path)


def test_there_are_routes():
    assert len(ROUTES) > 30


def test_each_route_has_a_command_or_a_reason_to_have_none():
    assert {f"{method} {route.path}" for route, method in ROUTES} == TWINS.keys()
    for line in TWINS.values():
        command = get_command(cli)
        for word in [] if line.startswith("-- ") else line.split():
            if word.startswith("--"):
                assert word in {option for parameter in command.params for option in parameter.opts}, line
            else:
                command = command.commands[word]


async def test_each_route_opens_to_its_roles_alone(site):
    """The request is nonsense: whoever is let in gets any answer but 401 and 403."""
    wrong = []
    for route, method in ROUTES:
        needed = {role.value for role in needs_of(route).roles} | {"admin"}
        for role in ROLES:
            answer = await site[role].request(
                method, filled(route.path), content=b"{ nonsense", headers={"content-type": "application/json"}
            )
            closed = 401 if not role else 403 if role not in needed else None
            fine = answer.status_code not in {401, 403} if closed is None else answer.status_code == closed
            if not fine or (closed and answer.headers["content-type"] != "application/problem+json"):
                wrong.append((method, route.path, role, answer.status_code))
    assert wrong == []


def test_a_reader_s_routes_only_look():
    changing = {
        (method, route.path) for route, method in ROUTES if Role.READ in needs_of(route).roles and method != "GET"
    }
    assert changing == set()


async def test_the_document_says_nothing_that_is_open_but_health(site):
    """Whatever the document lists is asked without a token: the list comes from it, not from this test."""
    opened = set()
    for path, operations in site.web.openapi()["paths"].items():
        for method in operations:
            answer = await site[""].request(method.upper(), f"http://ops.test{filled(path)}")
            if answer.status_code != 401:
                opened.add(path)
    assert opened == OPEN


async def test_nothing_is_changed_in_read_only_mode(store: EmptyStore):
    app = store.app(mail_from_address="a@b.co")
    web = FastAPI()
    anything = Principal("ana", frozenset(Role))
    web.include_router(admin_router(app, Mailer(app, "memory://"), authenticate=lambda _: anything, read_only=True))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://x") as client:
        for route, method in ROUTES:
            if method == "GET":
                continue
            answer = await client.request(method, filled(route.path))
            assert (answer.status_code, answer.json()["code"]) == (403, "read-only"), route.path


@pytest.mark.parametrize("wrong", ["Bearer x", "Bearer toril_x", "Bearer", "Basic eDp5", "bearer  "])
async def test_a_wrong_token_opens_nothing(site, wrong):
    answer = await site[""].get("/queues", headers={"authorization": wrong})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.slow
@pytest.mark.parametrize("role", ["admin", ""])
async def test_whatever_is_sent_is_answered_as_documented(site, role):
    schema = schemathesis.openapi.from_dict(site.web.openapi())
    wrong = []
    for found in schema.get_all_operations():
        operation = found.ok()
        for case in [case for mode in schemathesis.GenerationMode for case in cases_of(operation, mode)]:
            try:
                await send(site, role, case)
            except (Exception, FailureGroup) as error:  # noqa: BLE001  (all: one run shows what there is to mend)
                wrong.append(f"{case.method} {case.path}: {error}")
                break
    assert not wrong, "\n".join(wrong)


def cases_of(operation: schemathesis.APIOperation, mode: schemathesis.GenerationMode) -> list[schemathesis.Case]:
    """Return requests to an operation that are as documented, or are not; the same ones each time."""
    cases: list[schemathesis.Case] = []

    @settings(
        max_examples=EXAMPLES, database=None, deadline=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def collect(case: schemathesis.Case) -> None:
        cases.append(case)

    with contextlib.suppress(Unsatisfiable):  # nothing can be wrong where there is nothing to say
        collect()
    return cases


async def send(site, role: str, case: schemathesis.Case) -> None:
    """Send a request over the test's own loop and hold the answer to the document."""
    given = case.as_transport_kwargs(base_url="http://ops.test")
    sent = {name: given[name] for name in ("method", "url", "params", "json") if given.get(name) is not None}
    headers = {
        name: value for name, value in dict(given.get("headers") or {}).items() if name.lower() != "authorization"
    }
    answer = await site[role].request(content=given.get("data"), headers=headers, **sent)
    case.validate_response(schemathesis.Response.from_any(answer), checks=CHECKS)
    if not role:
        assert answer.status_code in {401, 404, 405} or case.path in OPEN
