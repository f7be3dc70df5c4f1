"""The router of the admin API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends
from fastapi.security import HTTPBearer

from toril.app import Toril
from toril.web.api import adding, audit, jobs, queues, schedules, workers
from toril.web.auth import Authenticate
from toril.web.desk import Desk
from toril.web.gate import guarded_by
from toril.web.problems import PROBLEMS

if TYPE_CHECKING:
    from toril.messaging import Mailer

__all__ = ["admin_router"]

_BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="An API token: `toril token create`.")


def admin_router(
    app: Toril,
    mailer: Mailer | None = None,
    *,
    authenticate: Authenticate | None = None,
    read_only: bool = False,
) -> APIRouter:
    """Return the admin API as a router, to be included under a prefix of your choice.

    mailer: for the delivery log and for sending; None: those routes are not there. authenticate: a function of the
    request that returns a Principal or None, in place of Toril's tokens, users and sessions. read_only: whatever would
    change something is refused.
    """
    desk = Desk(app, mailer, authenticate=authenticate, read_only=read_only)
    router = APIRouter(route_class=guarded_by(desk), dependencies=[Depends(_BEARER)], responses=PROBLEMS)
    for part in (queues, jobs, adding, schedules, workers, audit):
        part.routes.add_to(router)
    if mailer is not None:
        from toril.web.api import emails  # needs what toril[mail] brings

        emails.routes.add_to(router)
    return router
