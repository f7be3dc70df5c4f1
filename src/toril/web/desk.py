"""What the requests of one mounted router share."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from toril.app import Toril
from toril.web.auth import Auth, Authenticate
from toril.web.counting import MailCounts

if TYPE_CHECKING:
    from toril.messaging import Mailer
    from toril.web.audit import Audit
    from toril.web.database import Database
    from toril.web.sessions import Sessions
    from toril.web.tokens import Tokens
    from toril.web.users import Users

__all__ = ["Desk"]


class Desk:
    """One application as a router serves it.

    mailer: for the routes of mail; None: there are none. authenticate: the host's own users in place of Toril's.
    read_only: nothing can be changed, whoever asks. Two routers of one application have a desk each, on one database.
    What needs that is imported when it is first asked for: a command that only looks at jobs does without SQLAlchemy.
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
        self.auth = Auth(self, authenticate)

    @cached_property
    def database(self) -> Database:
        """Where users, tokens and the audit log are; raises ConfigurationError for an address that is none."""
        from toril.web.database import Database

        return Database.of(self.app)

    @cached_property
    def tokens(self) -> Tokens:
        """The API tokens."""
        from toril.web.tokens import Tokens

        return Tokens(self.database, self.app.clock)

    @cached_property
    def users(self) -> Users:
        """The users of the dashboard."""
        from toril.web.users import Users

        return Users(self.database, self.app.clock)

    @cached_property
    def audit(self) -> Audit:
        """The audit log."""
        from toril.web.audit import Audit

        return Audit(self.database, self.app.clock)

    @cached_property
    def sessions(self) -> Sessions | None:
        """The sessions of the dashboard; None: there is no key to sign them with."""
        from toril.web.sessions import Sessions

        keys = [key.get_secret_value() for key in self.app.settings.secret_keys]
        return Sessions(self.database, keys, self.app.clock) if keys else None
