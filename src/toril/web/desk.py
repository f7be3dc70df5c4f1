"""What the requests of one mounted router share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toril.app import Toril
from toril.web.audit import Audit
from toril.web.auth import Auth, Authenticate
from toril.web.counting import MailCounts
from toril.web.database import Database
from toril.web.sessions import Sessions
from toril.web.tokens import Tokens
from toril.web.users import Users

if TYPE_CHECKING:
    from toril.messaging import Mailer

__all__ = ["Desk"]


class Desk:
    """One application as a router serves it.

    mailer: for the routes of mail; None: there are none. authenticate: the host's own users in place of Toril's.
    read_only: nothing can be changed, whoever asks. Two routers of one application have a desk each, on one database.
    """

    def __init__(
        self,
        app: Toril,
        mailer: Mailer | None = None,
        *,
        authenticate: Authenticate | None = None,
        read_only: bool = False,
    ) -> None:
        self.app = app
        self.mailer = mailer
        self.mail_counts = None if mailer is None else MailCounts(mailer, app.clock)
        self.read_only = read_only
        database, keys = Database.of(app), [key.get_secret_value() for key in app.settings.secret_keys]
        self.database = database
        self.tokens = Tokens(database, app.clock)
        self.users = Users(database, app.clock)
        self.audit = Audit(database, app.clock)
        self.sessions = Sessions(database, keys, app.clock) if keys else None
        self.auth = Auth(self, authenticate)
