"""Who may do what: roles, principals, and how a request tells whose it is."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from fastapi import Request

from toril.errors import InvalidOption
from toril.web.problems import Problem

if TYPE_CHECKING:
    from toril.web.desk import Desk

__all__ = ["Auth", "Authenticate", "Principal", "Role", "check_same_site", "roles_of"]

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Role(StrEnum):
    """What somebody may do. `admin` includes the others; `send` and `read` do not include each other."""

    READ = "read"  # look at everything, change nothing
    SEND = "send"  # add jobs, send mails, and look at a job or mail by its id
    ADMIN = "admin"  # everything


def roles_of(names: Iterable[str]) -> frozenset[Role]:
    """Read the names of roles; raise InvalidOption."""
    found = list(names)
    try:
        roles = frozenset(map(Role, found))
    except ValueError:
        roles = frozenset()
    if not roles:
        raise InvalidOption(f"role: expected one or more of {', '.join(Role)}, got {', '.join(found) or 'none'}")
    return roles


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever makes a request. `name` stands in the audit log; `origin` says how it was told who it is.

    origin: `host` (the application's own users), `token:ID`, `session`, or `cli`.
    """

    name: str
    roles: frozenset[Role]
    origin: str = "host"

    def may(self, *roles: Role) -> bool:
        """Return whether it has one of the roles."""
        return not self.roles.isdisjoint({*roles, Role.ADMIN})


Authenticate = Callable[[Request], Principal | Awaitable[Principal | None] | None]
"""A host's own answer to "who is this?": None if it is nobody that may come in."""


class Auth:
    """Tells whose a request is: by the host's own function, else by an API token, else by the session's cookie."""

    def __init__(self, desk: Desk, authenticate: Authenticate | None) -> None:
        self._desk = desk
        self._authenticate = authenticate

    async def principal(self, request: Request) -> Principal | None:
        """Return whose a request is, or None.

        Raises Problem 403 for a request from another site's page that would change something by a cookie.
        """
        if self._authenticate is not None:
            found = self._authenticate(request)
            principal = await found if inspect.isawaitable(found) else found
            if principal is not None and "authorization" not in request.headers:
                check_same_site(request)
            return principal
        token = bearer(request)
        if token is not None:
            return await self._desk.tokens.find(token)
        if self._desk.sessions is None:
            return None
        return await self._desk.sessions.principal(request)


def bearer(request: Request) -> str | None:
    """Return the token of an `Authorization: Bearer …` header, or None."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def check_same_site(request: Request) -> None:
    """Raise Problem 403 for a request that would change something and comes from a page of another origin.

    Browsers say where a request comes from in `Sec-Fetch-Site`, older ones in `Origin`; what is no browser says
    neither, and carries no cookies that it was not given.
    """
    if request.method in SAFE:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        fine = site in {"same-origin", "none"}
    else:
        fine = origin is None or origin.partition("://")[2] == request.headers.get("host")
    if not fine:
        raise Problem(403, "another-site", "the request comes from a page of another site")
