"""The routers within a host that has routes of its own, twice in one process, and as `toril serve` puts them."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from prepared import lay_tables
from toril.errors import ConfigurationError
from toril.messaging import Mailer
from toril.web import Principal, Role, admin_router, dashboard_router, health_router
from toril.web.desk import Desk
from toril.web.server import check_address, is_local, make_server

KEY = "k" * 40
ANA = Principal("ana", frozenset({Role.ADMIN}))


def client(web: FastAPI, host: str = "localhost") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url=f"http://{host}", timeout=30)


async def test_a_host_keeps_its_own_routes_and_errors(store):
    app = store.app(secret_keys=KEY)
    web = FastAPI()

    @web.get("/api/auth/me")
    async def me() -> dict[str, str]:
        return {"user": "host"}

    @web.get("/api/queue/length")
    async def length(limit: int = 1) -> dict[str, int]:
        return {"length": limit}

    @web.get("/health")
    async def health() -> str:
        return "host"

    web.include_router(admin_router(app, authenticate=lambda _: ANA), prefix="/api")
    web.include_router(dashboard_router(app), prefix="/admin/queues")
    web.include_router(health_router(app))
    async with client(web) as asked:
        assert (await asked.get("/api/auth/me")).json() == {"user": "host"}
        assert (await asked.get("/api/queue/length")).json() == {"length": 1}
        assert (await asked.get("/health")).json() == "host"
        assert (await asked.get("/api/queues")).json() == {"queues": []}
        assert (await asked.get("/health/live")).json() == {"status": "ok"}
        own = await asked.get("/api/queue/length", params={"limit": "x"})  # the host's errors stay the host's
        assert (own.status_code, own.headers["content-type"]) == (422, "application/json")
        assert isinstance(own.json()["detail"], list)
        assert (await asked.get("/api/none")).json() == {"detail": "Not Found"}


async def test_two_mounts_do_not_disturb_each_other(store):
    first, second = store.app(secret_keys=KEY), store.app(secret_keys=KEY)
    web = FastAPI()
    everyone = Principal("bo", frozenset({Role.READ}))
    web.include_router(admin_router(first), prefix="/one")
    web.include_router(admin_router(second, authenticate=lambda _: everyone), prefix="/two")
    web.include_router(admin_router(second, authenticate=lambda _: ANA, read_only=True), prefix="/three")
    async with client(web) as asked:
        assert (await asked.get("/one/queues")).status_code == 401
        assert (await asked.get("/two/queues")).status_code == 200
        assert (await asked.post("/two/queues/x/pause")).json()["code"] == "role-missing"
        assert (await asked.post("/three/queues/x/pause")).json()["code"] == "read-only"


async def test_a_host_s_user_that_is_nobody_is_refused(store):
    web = FastAPI()
    app = store.app()
    _, secret = await Desk(app).tokens.create("x", ["admin"])
    web.include_router(admin_router(app, authenticate=lambda _: None))
    async with client(web) as asked:  # a token of Toril's is nothing to a host that answers itself
        assert (await asked.get("/queues", headers={"authorization": f"Bearer {secret}"})).status_code == 401


async def test_a_session_changes_something_with_its_token_alone(make_app):
    app = make_app(secret_keys=KEY)
    desk = Desk(app)
    await desk.users.put("ana", "correct horse battery", ["admin"])
    web = FastAPI()
    web.include_router(admin_router(app))
    response = Response()
    scope = {"type": "http", "method": "GET", "path": "/", "scheme": "http", "headers": [], "server": ("x", 80)}
    desk.sessions.begin(Request(scope), response, ANA)
    cookie = response.headers["set-cookie"].partition(";")[0]
    seen = Request({**scope, "headers": [(b"cookie", cookie.encode())]})
    await app.queue("emails").add("x", {})
    async with client(web) as asked:
        headers = {"cookie": cookie}
        assert (await asked.get("/queues", headers=headers)).status_code == 200
        assert (await asked.post("/queues/emails/pause", headers=headers)).json()["code"] == "csrf"
        headers["x-csrf-token"] = desk.sessions.csrf_token(seen)
        assert (await asked.post("/queues/emails/pause", headers=headers)).status_code == 204


async def test_serve_puts_all_three_and_its_document_behind_the_door(make_app, tmp_path):
    app = make_app(
        secret_keys=KEY, mail_log_url=lay_tables(f"sqlite:///{tmp_path}/mail.db"), mail_from_address="a@b.co"
    )
    web = make_server(app, Mailer(app, "memory://"))
    _, secret = await Desk(app).tokens.create("x", ["read"])
    async with client(web, "ops.example.com") as asked:
        assert (await asked.get("/health/ready")).status_code == 200
        for path in ("/api/queues", "/api/openapi.json", "/metrics"):
            assert (await asked.get(path)).status_code == 401
            answer = await asked.get(path, headers={"authorization": f"Bearer {secret}"})
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        paths = (await asked.get("/api/openapi.json", headers={"authorization": f"Bearer {secret}"})).json()["paths"]
        assert {"/api/queues", "/api/emails", "/health/live"} <= paths.keys()
        for path in ("/", "/admin/queues"):
            assert (await asked.get(path)).headers["location"] == "/admin/queues/"
        for path in ("/docs", "/redoc", "/openapi.json"):
            assert (await asked.get(path)).status_code == 404


async def test_without_a_login_only_this_machine_s_names_are_answered(make_app):
    web = make_server(make_app(), login=False)
    async with client(web) as asked, client(web, "evil.example.com") as rebound:
        assert (await asked.get("/api/queues")).status_code == 200
        assert (await rebound.get("/api/queues")).status_code == 400
        crossed = {"origin": "https://evil.example.com", "sec-fetch-site": "cross-site"}
        assert (await asked.post("/api/queues/x/pause", headers=crossed)).status_code == 403


@pytest.mark.parametrize(
    ("host", "local"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("ops", False)]
)
def test_what_is_reached_from_outside_needs_a_login_and_a_secret(make_app, host, local):
    assert is_local(host) == local
    with pytest.raises(ConfigurationError, match="TORIL_SECRET_KEY"):
        check_address(make_app(), host, login=True)
    check_address(make_app(secret_keys=KEY), host, login=True)
    if local:
        check_address(make_app(), host, login=False)
    else:
        with pytest.raises(ConfigurationError, match="--no-login"):
            check_address(make_app(secret_keys=KEY), host, login=False)


def test_a_dashboard_that_nobody_could_sign_in_to_is_refused(make_app):
    with pytest.raises(ConfigurationError, match="TORIL_SECRET_KEYS"):
        dashboard_router(make_app())
