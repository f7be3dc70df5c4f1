"""What is open to everybody: the page to log in, the files of the pages, the choice of a theme."""

from __future__ import annotations

from starlette.responses import FileResponse, Response

from toril.web.auth import SAFE, check_same_site
from toril.web.dashboard.site import STATIC
from toril.web.dashboard.visit import THEME, THEMES, Visit, guarded
from toril.web.problems import Problem

__all__ = ["PAGES", "turn_away"]

_YEAR = 366 * 86_400  # seconds


def turn_away(visit: Visit) -> Response:
    """Answer somebody who has not said who it is."""
    desk, request = visit.site.desk, visit.request
    if visit.site.by_host:
        return visit.page("error.html", 401, title="Log in first", text="This page asks your application who you are.")
    if desk.sessions is None:
        text = "Nobody can log in: set TORIL_SECRET_KEYS to a long random text, and start the server anew."
        return visit.page("error.html", 503, title="No secret is set", text=text)
    undone = "" if request.method in SAFE else "Your session was over, so nothing was done. Log in, and do it again."
    return visit.back(visit.url("login", next=visit.here), undone)


async def login_form(visit: Visit) -> Response:
    """Show the form."""
    return visit.page("login.html", next=visit.ask("next"), fault="", name="")


async def login(visit: Visit) -> Response:
    """Let a user in, and go to where it wanted to go."""
    check_same_site(visit.request)
    desk, name, onward = visit.site.desk, visit.said("name"), visit.said("next")
    if desk.sessions is None:
        return turn_away(visit)
    place = visit.request.client.host if visit.request.client else ""
    try:
        known = desk.sessions.browser(visit.request, name)
        principal = await desk.users.login(name, str(visit.form.get("password", "")), place, known)
    except Problem as problem:
        return visit.page("login.html", problem.status, next=onward, fault=problem.detail, name=name)
    if principal is None:
        return visit.page("login.html", 401, next=onward, fault="Name and password do not belong together.", name=name)
    response = visit.back(visit.inside(onward))
    desk.sessions.begin(visit.request, response, principal)
    return response


async def logout(visit: Visit) -> Response:
    """End the session."""
    check_same_site(visit.request)
    response = visit.back(visit.url("login"))
    if visit.site.desk.sessions:
        await visit.site.desk.sessions.end(visit.request, response)
    return response


async def theme(visit: Visit) -> Response:
    """Keep which theme was chosen, and go back."""
    check_same_site(visit.request)
    response = visit.back(visit.inside(visit.said("back")))
    path, chosen = visit.base or "/", visit.said("theme")
    if chosen in THEMES:
        response.set_cookie(THEME, chosen, max_age=_YEAR, path=path, httponly=True, samesite="lax")
    else:
        response.delete_cookie(THEME, path=path)
    return response


async def static(visit: Visit) -> Response:
    """Hand out a file of the pages; its address has its version, so that a browser may keep it."""
    path = STATIC.get(visit.request.path_params["file"])
    if path is None:
        raise Problem(404, "not-found", "there is no such file")
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    response = FileResponse(path, media_type=kinds[path.suffix])
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return guarded(response)


PAGES = [
    ("GET", "/login", login_form),
    ("POST", "/login", login),
    ("POST", "/logout", logout),
    ("POST", "/theme", theme),
    ("GET", "/static/{file}", static),
]
