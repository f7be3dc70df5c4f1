"""The router of the pages: who may come in, which page a path leads to, and what becomes of errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from toril import Toril, TorilError
from toril.errors import ConfigurationError
from toril.web.auth import SAFE, Authenticate, Role
from toril.web.dashboard import door
from toril.web.dashboard.pages import MAIL_PAGES, MAILBOX_PAGES, PAGES
from toril.web.dashboard.site import Site
from toril.web.dashboard.visit import Visit
from toril.web.desk import Desk
from toril.web.problems import Problem, problem_of

if TYPE_CHECKING:
    from toril.messaging import Mailer
    from toril.messaging.mailbox import Mailbox

__all__ = ["dashboard_router"]

Page = Callable[[Visit], Awaitable[Response]]
_LARGEST_FORM = 2_000_000  # bytes


def dashboard_router(
    app: Toril,
    mailer: Mailer | None = None,
    *,
    authenticate: Authenticate | None = None,
    read_only: bool = False,
    mailbox: Mailbox | None = None,
) -> APIRouter:
    """Return the dashboard as a router, to be included under a prefix of your choice.

    mailer: for the pages of messages; None: they are not there. authenticate: a function of the request that returns a
    Principal or None, in place of Toril's users and its login page. read_only: whatever would change something is
    refused, and no page offers it. mailbox: development mail that pages show. Raises ConfigurationError without
    `authenticate` and TORIL_SECRET_KEYS: nobody could sign in.
    """
    desk = Desk(app, mailer, authenticate=authenticate, read_only=read_only)
    if authenticate is None and desk.sessions is None:
        raise ConfigurationError("dashboard: expected TORIL_SECRET_KEYS, which signs sessions, or authenticate=")
    site = Site(desk, mailbox, by_host=authenticate is not None)
    pages = [*PAGES, *(MAIL_PAGES if mailer else []), *(MAILBOX_PAGES if mailbox is not None else [])]
    router = APIRouter(include_in_schema=False)
    for method, path, open_page in door.PAGES:
        router.add_route(path, _open(site, path, open_page), methods=[method])
    for method, path, page in pages:
        router.add_route(path, _closed(site, path, page), methods=[method])
    return router


def _open(site: Site, path: str, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that lets everybody in."""

    async def endpoint(request: Request) -> Response:
        stranger = Visit(site, request, base_of(request, path), None, FormData())
        return await _answer(stranger, page)

    return endpoint


def _closed(site: Site, path: str, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that lets in who may read, and who may do everything where something is changed."""

    async def endpoint(request: Request) -> Response:
        base = base_of(request, path)
        stranger = Visit(site, request, base, None, FormData())
        try:
            principal = await site.desk.auth.principal(request)
        except (Problem, TorilError) as error:
            return _failure(stranger, error)
        if principal is None:
            return door.turn_away(stranger)
        return await _answer(replace(stranger, principal=principal), page, closed=True)

    return endpoint


async def _answer(visit: Visit, page: Page, *, closed: bool = False) -> Response:
    """Return what a page answers, or the page that says what went wrong."""
    try:
        if closed:
            _admit(visit)
        visit = replace(visit, form=await _form(visit.request))
        if closed and visit.request.method not in SAFE:
            visit.check_csrf()
        return await page(visit)
    except (Problem, TorilError) as error:
        return _failure(visit, error)


def _admit(visit: Visit) -> None:
    """Raise Problem 403 for somebody who may not do what the request asks for."""
    assert visit.principal is not None
    if not visit.principal.may(Role.READ):
        raise Problem(403, "role-missing", "Your account may not look at these pages.")
    if visit.request.method not in SAFE:
        visit.check_may_act()


_OUTAGE, _AGAIN = 503, 5  # a status; seconds
_TITLES = {403: "Not allowed", 404: "Not found", 503: "The store does not answer"}


def _failure(visit: Visit, error: Problem | TorilError) -> Response:
    """Return the page that says what went wrong."""
    problem = problem_of(error) or Problem(400, "not-valid", str(error))
    title = _TITLES.get(problem.status, "This cannot be done")
    again = problem.status == _OUTAGE and visit.request.method in SAFE
    text = f"{problem.detail}. This page looks again by itself." if again else problem.detail
    response = visit.page("error.html", problem.status, title=title, text=text)
    if again:
        response.headers["Refresh"] = str(_AGAIN)
    return response


async def _form(request: Request) -> FormData:
    """Return what a form of ours sends; raise Problem 413 as soon as it is larger than any."""
    body = b""
    if request.method not in SAFE:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST_FORM:
                raise Problem(413, "body-too-large", f"A form of more than {_LARGEST_FORM:,} bytes is not read.")
    return FormData([*parse_qsl(body.decode(errors="replace"), keep_blank_values=True)])


def base_of(request: Request, path: str) -> str:
    """Return the path under which the host has put the pages: what is before `path` in the request's own."""
    root, whole = request.scope.get("root_path", ""), request.scope["path"]
    if not whole.startswith(root):
        whole = root + whole
    return "/".join(whole.split("/")[: -path.count("/")])
