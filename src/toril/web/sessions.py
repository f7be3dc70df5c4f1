"""A session: a signed cookie that names a user, and the token that its forms must carry."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import TypedDict

from fastapi import Request, Response
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from toril.clock import Clock
from toril.web.auth import Principal
from toril.web.database import Database
from toril.web.models import EndedSession, User
from toril.web.problems import Problem
from toril.web.users import principal_of

__all__ = ["CSRF_FIELD", "CSRF_HEADER", "Sessions"]

CSRF_FIELD, CSRF_HEADER = "csrf_token", "x-csrf-token"
LIFETIME = 12 * 3_600_000  # milliseconds: a working day
_YEAR = 366 * 86_400  # seconds


class _Body(TypedDict):
    name: str
    at: int  # when it began, in epoch milliseconds
    nonce: str


class Sessions:
    """Begins, reads and ends the sessions of one application's users.

    Their cookie bears the mark of the database in which the users are: two applications on one host have a cookie
    each, and the ana of one is not the ana of the other. keys: secrets; the first signs, all are accepted, so that
    keys can be changed.
    """

    def __init__(self, database: Database, keys: Sequence[str], clock: Clock) -> None:
        newest_last = list(reversed(keys))
        self._database = database
        self._clock = clock
        self.cookie = f"toril_session_{_digest(database.name)[:8]}"
        self._cookies = URLSafeSerializer(newest_last, salt=self.cookie)
        self._forms = URLSafeSerializer(newest_last, salt="toril.csrf")
        self._browser = f"{self.cookie}_browser"
        self._browsers = URLSafeSerializer(newest_last, salt=self._browser)

    def begin(self, request: Request, response: Response, principal: Principal) -> None:
        """Sign somebody in: set the cookie, for the path under which the dashboard is mounted."""
        body = _Body(name=principal.name, at=self._clock.now(), nonce=secrets.token_urlsafe(16))
        browser = self._browsers.dumps([principal.name, self.browser(request, principal.name) or body["nonce"]])
        for cookie, value, age in (
            (self.cookie, self._cookies.dumps(body), LIFETIME // 1000),
            (self._browser, browser, _YEAR),
        ):
            response.set_cookie(
                cookie, str(value), max_age=age, path=_path(request),
                secure=request.url.scheme == "https", httponly=True, samesite="lax",
            )  # fmt: skip

    def browser(self, request: Request, name: str) -> str | None:
        """Return what tells a browser in which that user has signed in before; None: it is a stranger's."""
        try:
            user, browser = self._browsers.loads(request.cookies.get(self._browser, ""))
        except BadSignature:
            return None
        return str(browser) if user == name else None

    async def end(self, request: Request, response: Response) -> None:
        """Sign somebody out: the cookie opens nothing any more, nor does a copy of it."""
        response.delete_cookie(self.cookie, path=_path(request), httponly=True, samesite="lax")
        body = self._body(request)
        if body is None:
            return
        row = EndedSession(digest=_digest(body["nonce"]), until=body["at"] + LIFETIME)

        async def keep(session: AsyncSession) -> None:
            await session.execute(delete(EndedSession).where(EndedSession.until < self._clock.now()))
            await session.merge(row)

        await self._database.run(keep)

    async def principal(self, request: Request) -> Principal | None:
        """Return whose the session is; None if there is none, it is over, or its user is gone."""
        body = self._body(request)
        if body is None:
            return None

        async def find(session: AsyncSession) -> User | None:
            ended = await session.get(EndedSession, _digest(body["nonce"]))
            return None if ended else await session.get(User, body["name"])

        user = await self._database.run(find)
        if user is None or user.sessions_from > body["at"]:
            return None
        return principal_of(user)

    def csrf_token(self, request: Request) -> str:
        """Return what a form of this session must carry in the field `csrf_token`; empty without a session."""
        body = self._body(request)
        return "" if body is None else str(self._forms.dumps(body["nonce"]))

    def check_csrf(self, request: Request, given: str | None) -> None:
        """Raise Problem 403 unless `given` (a form's field, or the header X-CSRF-Token) belongs to this session."""
        body = self._body(request)
        try:
            nonce = str(self._forms.loads(given or request.headers.get(CSRF_HEADER, "")))
        except BadSignature:
            nonce = ""
        if body is None or not hmac.compare_digest(nonce.encode(), body["nonce"].encode()):
            raise Problem(403, "csrf", "the form is not of this session: load the page again")

    def _body(self, request: Request) -> _Body | None:
        """Return what the cookie says, if we have signed it and its time is not over."""
        try:
            body: _Body = self._cookies.loads(request.cookies.get(self.cookie, ""))
        except BadSignature:
            return None
        return body if body["at"] <= self._clock.now() < body["at"] + LIFETIME else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _path(request: Request) -> str:
    """Return the path for which the browser sends the cookie."""
    return request.scope.get("root_path", "") or "/"
