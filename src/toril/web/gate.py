"""The door of every route: whose request it is, whether they may, and that its body is not too large."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

from toril.web.auth import SAFE, Principal, Role
from toril.web.desk import Desk
from toril.web.problems import Problem, problem_of, response

__all__ = ["READ", "READ_OR_SEND", "SEND", "GuardedRoute", "Needs", "TheDesk", "Who", "guarded_by", "needs_of"]

MAX_BODY = 2_000_000  # bytes of a request


class Needs:
    """One of these roles is needed for a route; `admin` has them all. A route that says nothing needs `admin`."""

    def __init__(self, *roles: Role) -> None:
        self.roles = roles or (Role.ADMIN,)

    def __call__(self) -> None:
        """Do nothing: it is a mark that GuardedRoute finds among the route's dependencies."""


class GuardedRoute(APIRoute):
    """A route that lets nobody in, and reads nothing of what they send, before it is known who they are.

    What goes wrong is answered as a problem; a fault of ours is left to the host. `guarded_by` gives it a desk.
    """

    desk: ClassVar[Desk]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request (called by FastAPI)."""
        handle, needs = super().get_route_handler(), needs_of(self)

        async def guarded(request: Request) -> Response:
            try:
                await _admit(self.desk, request, needs)
                answer = await handle(Request(request.scope, _Limited(request).receive))
            except Exception as error:
                problem = problem_of(error)
                if problem is None:
                    raise
                answer = response(problem)
            answer.headers["Cache-Control"] = "no-store"  # no browser or proxy keeps what only some may see
            answer.headers["X-Content-Type-Options"] = "nosniff"
            return answer

        return guarded


def guarded_by(desk: Desk) -> type[GuardedRoute]:
    """Return the class of the routes that serve a desk; whatever router includes them, it stays with them."""
    _ = desk.tokens, desk.audit, desk.sessions  # now: the first request waits for no import, a bad address is told here
    return type("GuardedRoute", (GuardedRoute,), {"desk": desk})


async def _admit(desk: Desk, request: Request, needs: Needs) -> None:
    """Let a request in, or raise Problem 401 or 403."""
    who = await desk.auth.principal(request)
    if who is None:
        raise Problem(
            401, "not-signed-in", "expected an API token: Authorization: Bearer toril_…",
            headers={"WWW-Authenticate": "Bearer"},
        )  # fmt: skip
    if not who.may(*needs.roles):
        raise Problem(403, "role-missing", f"{who.name} needs the role {' or '.join(needs.roles)}")
    if request.method not in SAFE:
        if desk.read_only:
            raise Problem(403, "read-only", "nothing can be changed here")
        if who.origin == "session" and desk.sessions is not None:
            desk.sessions.check_csrf(request, None)
    request.state.toril = (desk, who)


class _Limited:
    """A request's body, refused once it is larger than MAX_BODY."""

    def __init__(self, request: Request) -> None:
        self._receive = request.receive
        self._left = MAX_BODY
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > MAX_BODY:
            raise _too_large()

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _too_large()
        return message


def _too_large() -> Problem:
    return Problem(413, "body-too-large", f"expected at most {MAX_BODY:,} bytes")


def needs_of(route: APIRoute) -> Needs:
    """Return what a route needs."""
    marks = [depends.dependency for depends in route.dependencies]
    return next((mark for mark in marks if isinstance(mark, Needs)), Needs())


def _desk(request: Request) -> Desk:
    desk: Desk = request.state.toril[0]
    return desk


def _who(request: Request) -> Principal:
    who: Principal = request.state.toril[1]
    return who


TheDesk = Annotated[Desk, Depends(_desk)]
Who = Annotated[Principal, Depends(_who)]
READ, SEND, READ_OR_SEND = ([Depends(Needs(*roles))] for roles in ((Role.READ,), (Role.SEND,), (Role.READ, Role.SEND)))
