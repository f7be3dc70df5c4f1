"""The pages of the on-call screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from toril.app import Toril
from toril.errors import ConfigurationError
from toril.web.auth import Authenticate
from toril.web.desk import Desk

if TYPE_CHECKING:
    from toril.messaging import Mailer
    from toril.messaging.mailbox import Mailbox

__all__ = ["dashboard_router"]


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
    refused. mailbox: development mail, to be shown. Raises ConfigurationError without `authenticate` and
    TORIL_SECRET_KEYS: nobody could sign in.
    """
    del mailbox
    desk = Desk(app, mailer, authenticate=authenticate, read_only=read_only)
    if authenticate is None and desk.sessions is None:
        raise ConfigurationError("dashboard: expected TORIL_SECRET_KEYS, which signs sessions, or authenticate=")
    return APIRouter()
