"""A session: a signed cookie that names a user, and the token that its forms must carry."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from typing import TypedDict

from fastapi import Request, Response
from itsdangerous import BadSignature, URLSafeSerializer

from toril.clock import Clock
from toril.web.auth import Principal
from toril.web.problems import Problem
from toril.web.users import Users, principal_of

__all__ = ["COOKIE", "CSRF_FIELD", "CSRF_HEADER", "Sessions"]

COOKIE = "toril_session"
CSRF_FIELD, CSRF_HEADER = "csrf_token", "x-csrf-token"
LIFETIME = 12 * 3_600_000  # milliseconds: a working day


class _Body(TypedDict):
    name: str
    at: int  # when it began, in epoch milliseconds
    nonce: str


class Sessions:
    """Begins, reads and ends the sessions of one application's users.

    keys: secrets; the first signs, all are accepted, so that keys can be changed.
    """

    def __init__(self, users: Users, keys: Sequence[str], clock: Clock) -> None:
        newest_last = list(reversed(keys))
        self._users = users
        self._clock = clock
        self._cookies = URLSafeSerializer(newest_last, salt="toril.session")
        self._forms = URLSafeSerializer(newest_last, salt="toril.csrf")

    def begin(self, request: Request, response: Response, principal: Principal) -> None:
        """Sign somebody in: set the cookie, for the path under which the dashboard is mounted."""
        body = _Body(name=principal.name, at=self._clock.now(), nonce=secrets.token_urlsafe(16))
        response.set_cookie(
            COOKIE, self._cookies.dumps(body), max_age=LIFETIME // 1000, path=_path(request),
            secure=request.url.scheme == "https", httponly=True, samesite="lax",
        )  # fmt: skip

    def end(self, request: Request, response: Response) -> None:
        """Sign somebody out."""
        response.delete_cookie(COOKIE, path=_path(request), httponly=True, samesite="lax")

    async def principal(self, request: Request) -> Principal | None:
        """Return whose the session is; None if there is none, it is over, or its user is gone."""
        body = self._body(request)
        if body is None:
            return None
        user = await self._users.get(body["name"])
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
            body: _Body = self._cookies.loads(request.cookies.get(COOKIE, ""))
        except BadSignature:
            return None
        return body if body["at"] <= self._clock.now() < body["at"] + LIFETIME else None


def _path(request: Request) -> str:
    """Return the path for which the browser sends the cookie."""
    return request.scope.get("root_path", "") or "/"
