"""The web process of `toril serve`: the three routers in one application, and what belongs around them."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import RedirectResponse

from toril.app import Toril
from toril.errors import ConfigurationError
from toril.web.api.router import admin_router
from toril.web.auth import Authenticate, Principal, Role
from toril.web.dashboard.router import dashboard_router
from toril.web.desk import Desk
from toril.web.gate import READ_OR_SEND, guarded_by
from toril.web.health import health_router

if TYPE_CHECKING:
    from toril.messaging import Mailer
    from toril.messaging.mailbox import Mailbox

__all__ = ["API", "DASHBOARD", "check_address", "is_local", "make_server"]

API, DASHBOARD = "/api", "/admin/queues"
LOCAL = ["localhost", "127.0.0.1", "[::1]"]  # names under which a browser on this machine reaches it
DEVELOPER = Principal("developer", frozenset(Role))


def make_server(
    app: Toril,
    mailer: Mailer | None = None,
    *,
    read_only: bool = False,
    login: bool = True,
    mailbox: Mailbox | None = None,
) -> FastAPI:
    """Return the application that `toril serve` runs.

    login: False lets in whoever reaches it, as an administrator, under the names of this machine alone: for
    development. mailbox: opened and closed with it. Raises ConfigurationError.
    """
    authenticate: Authenticate | None = None if login else lambda _: DEVELOPER
    web = FastAPI(
        title="Toril", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lambda _: _lifespan(app, mailbox)
    )
    if not login:  # a page on the internet can have its own name lead to this machine
        web.add_middleware(TrustedHostMiddleware, allowed_hosts=LOCAL)
    admin = admin_router(app, mailer, authenticate=authenticate, read_only=read_only)
    web.include_router(admin, prefix=API)
    web.include_router(_document(web, Desk(app, authenticate=authenticate)), prefix=API)
    web.include_router(health_router(app, mailer, authenticate=authenticate))
    pages = dashboard_router(app, mailer, authenticate=authenticate, read_only=read_only, mailbox=mailbox)
    web.include_router(pages, prefix=DASHBOARD)
    for path in ("/", DASHBOARD):  # Starlette's own redirect would name the host and scheme that a request claims
        web.add_route(path, lambda _: RedirectResponse(f"{DASHBOARD}/"), include_in_schema=False)
    return web


def check_address(app: Toril, host: str, *, login: bool) -> None:
    """Raise ConfigurationError for a server that must not be started so."""
    if not login and not is_local(host):
        raise ConfigurationError(f"--no-login: expected a host of this machine alone, such as 127.0.0.1, got {host!r}")
    if login and not app.settings.secret_keys:
        raise ConfigurationError(
            "TORIL_SECRET_KEY is not set: it signs the sessions of the dashboard. Make one with\n"
            "  python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )


def is_local(host: str) -> bool:
    """Return whether an address can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.asynccontextmanager
async def _lifespan(app: Toril, mailbox: Mailbox | None) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        if mailbox is not None:
            await stack.enter_async_context(mailbox)
        await stack.enter_async_context(app.lifespan()(None))
        yield


def _document(web: FastAPI, desk: Desk) -> APIRouter:
    """Return the route of the OpenAPI document, which tells a stranger nothing."""
    router = APIRouter(route_class=guarded_by(desk))

    async def openapi() -> dict[str, Any]:
        """Return the OpenAPI document of this server."""
        if web.openapi_schema is None:
            web.openapi_schema = get_openapi(title=web.title, version=_version(), routes=web.routes)
        return web.openapi_schema

    router.add_api_route("/openapi.json", openapi, methods=["GET"], dependencies=READ_OR_SEND, include_in_schema=False)
    return router


def _version() -> str:
    from importlib.metadata import version

    return version("toril")
