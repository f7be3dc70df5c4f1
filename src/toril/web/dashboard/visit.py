"""One request of somebody who was let in: what a page may ask, and the ways in which it answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from fastapi import Request
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse, Response

from toril import JobNotFound, Queue, Toril
from toril.handle import Job
from toril.web.audit import Act
from toril.web.auth import SAFE, Principal, Role
from toril.web.dashboard.site import TEMPLATES, Site
from toril.web.masking import shown_data, shown_text
from toril.web.problems import Problem
from toril.web.sessions import CSRF_FIELD
from toril.web.words import place, unplace

if TYPE_CHECKING:
    from toril.messaging import Mailer

__all__ = ["THEME", "Visit", "guarded"]

SAID = "toril_said"  # the cookie that carries one sentence from an action to the page after it
THEME = "toril_theme"
THEMES = frozenset({"light", "dark"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def guarded(response: Response, policy: str = POLICY) -> Response:
    """Return a response with the headers that every page has."""
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    return response


@dataclass(frozen=True, slots=True)
class Visit:
    """site: what the pages are about. base: the path under which they are. principal: None on the page to log in."""

    site: Site
    request: Request
    base: str
    principal: Principal | None
    form: FormData

    @property
    def app(self) -> Toril:
        """The application whose jobs are shown."""
        return self.site.desk.app

    @property
    def mailer(self) -> Mailer:
        """Its mailer; the pages of mail are there only if there is one."""
        assert self.site.desk.mailer is not None
        return self.site.desk.mailer

    @property
    def now(self) -> int:
        """The application's time, in epoch milliseconds."""
        return self.app.clock.now()

    @property
    def name(self) -> str:
        """Who acts: what is kept with pauses and cancellations."""
        return self.principal.name if self.principal else ""

    @property
    def is_admin(self) -> bool:
        """Whether the visitor is an administrator."""
        return self.principal is not None and self.principal.may(Role.ADMIN)

    @property
    def may_act(self) -> bool:
        """Whether buttons are shown, and do what they say."""
        return self.is_admin and not self.site.desk.read_only

    def check_may_act(self) -> None:
        """Raise Problem 403 for somebody who may only look, before showing a form that would be of no use."""
        if not self.may_act:
            raise Problem(403, "role-missing", "Your account may look, and change nothing.")

    @property
    def csrf(self) -> str:
        """What a form must carry; empty for the host's own users, whose requests are told by where they come from."""
        sessions = self.site.desk.sessions
        return sessions.csrf_token(self.request) if sessions else ""

    def check_csrf(self) -> None:
        """Raise Problem 403 for a form that is not of this session."""
        sessions = self.site.desk.sessions
        if self.principal is not None and self.principal.origin == "session" and sessions is not None:
            sessions.check_csrf(self.request, self.said(CSRF_FIELD))

    @property
    def queue(self) -> Queue:
        """The queue that the path names."""
        return self.app.queue(unplace(self.request.path_params["queue"]))

    @property
    def id(self) -> str:
        """The id that the path names."""
        return unplace(self.request.path_params["id"])

    @property
    def of_queue(self) -> str | None:
        """The name of a queue that the query tells apart from others, if it does."""
        return self.ask("queue") or None

    async def job(self, job_id: str = "") -> Job[Any]:
        """Return the job of that id, or that the path names; raise JobNotFound."""
        wanted = job_id or self.id
        job = await self.queue.get(wanted)
        if job is None:
            raise JobNotFound(f"Queue {self.queue.name} has no job {wanted}: it was never added, or removed since.")
        return job

    def mask(self, text: str | None) -> str:
        """Return a reason, a stack trace or a log line as the visitor may see it."""
        assert self.principal is not None
        return shown_text(text or "", self.principal)

    def mask_json(self, text: str | None, indent: int | None = 2) -> str:
        """Return JSON text as the visitor may see it, laid out to be read; `indent` None: in one line."""
        assert self.principal is not None
        return json.dumps(shown_data(text, self.principal), indent=indent, ensure_ascii=False)

    def ask(self, name: str, default: str = "") -> str:
        """Return a value of the query, without spaces around it."""
        return self.request.query_params.get(name, default).strip()

    def said(self, name: str, default: str = "") -> str:
        """Return a value of the form, without spaces around it."""
        return str(self.form.get(name, default)).strip()

    def url(self, *segments: str, **query: str | None) -> str:
        """Return the path of a page: its segments, escaped, and a query of what is given."""
        path = "/".join([self.base, *map(place, segments)]) if segments else f"{self.base}/"
        given = {key: value for key, value in query.items() if value}
        return f"{path}?{urlencode(given)}" if given else path

    def inside(self, there: str) -> str:
        """Return a path with its query if it leads to one of our pages, else that of the first."""
        parts = urlsplit(there)
        ours = not parts.scheme and not parts.netloc and there.startswith(f"{self.base}/") and "\\" not in there
        return there if ours and not there.startswith("//") else self.url()

    @property
    def here(self) -> str:
        """The page that the visitor sees: the one asked for, or that whose form was sent."""
        get = self.request.method in SAFE
        parts = urlsplit(str(self.request.url) if get else self.request.headers.get("referer", ""))
        return self.inside(f"{parts.path}?{parts.query}" if parts.query else parts.path)

    def acting(
        self, action: str, queue: str | None = None, *, ids: Sequence[str] = (), detail: str = ""
    ) -> AbstractAsyncContextManager[Act]:
        """Write an action into the audit log, before and after it is done."""
        assert self.principal is not None
        return self.site.desk.audit.acting(self.principal, action, queue, ids=ids, detail=detail)

    def page(self, template: str, status: int = 200, /, **values: Any) -> Response:
        """Answer with a page."""
        cookies = self.request.cookies
        theme = cookies.get(THEME, "")
        context: dict[str, Any] = {
            "visit": self,
            "url": self.url,
            "now": self.now,
            "theme": theme if theme in THEMES else "system",
            "said": unquote(cookies.get(SAID, "")),
            "mask": self.mask,
            "mask_json": self.mask_json,
            **values,
        }
        response = HTMLResponse(TEMPLATES.get_template(template).render(context), status)
        if SAID in cookies:
            response.delete_cookie(SAID, path=self.base or "/")
        return guarded(response)

    def back(self, to: str, said: str = "") -> Response:
        """Answer an action: go to a page, which says what was done."""
        response = RedirectResponse(to, 303)
        if said:
            path = self.base or "/"
            response.set_cookie(SAID, quote(said[:300]), max_age=60, path=path, httponly=True, samesite="strict")
        return guarded(response)
