"""The transactional outbox: a message in the caller's own transaction, sent if that is committed and only then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import URL, event, select
from sqlalchemy.orm import Session, SessionTransaction

from toril.errors import ConfigurationError
from toril.messaging.changes import Add, apply
from toril.messaging.inserting import NewMail
from toril.messaging.models import EmailKey

__all__ = ["add_in", "after_commit"]

Used = tuple[str, str]
"""Of a key that was used before: the message and its digest."""


def add_in(session: Session, url: URL, mails: Sequence[NewMail], now: int) -> Used | None:
    """Write rows in the session's transaction, or return what has used the key of the first one.

    url: the delivery log, which must be the session's own database. Raises ConfigurationError if it is not.
    """
    connection = session.connection()
    if not _is_same(connection.engine.url, url):
        theirs = connection.engine.url.render_as_string(hide_password=True)
        raise ConfigurationError(
            f"session: it writes to {theirs}, the delivery log is {url.render_as_string(hide_password=True)}; give the "
            "mailer that database as its log_url"
        )
    add = Add(mails)
    apply(connection, [add], now)
    claim = mails[0].claim
    if not add.refused or claim is None:
        return None
    used = connection.execute(select(EmailKey.email_id, EmailKey.digest).where(EmailKey.key == claim.key)).one()
    return used.email_id, used.digest


def after_commit(session: Session, then: Callable[[], None]) -> None:
    """Call `then` once, when the transaction that the session is in now has been committed; never if it is not."""
    root = session.get_transaction()
    committed = False

    def commit(session: Session) -> None:
        nonlocal committed
        committed = committed or not session.in_nested_transaction()  # a savepoint says so, too

    def end(_: Session, transaction: SessionTransaction) -> None:
        if transaction is root:
            event.remove(session, "after_commit", commit)
            event.remove(session, "after_transaction_end", end)
            if committed:
                then()

    event.listen(session, "after_commit", commit)
    event.listen(session, "after_transaction_end", end)


def _is_same(theirs: URL, ours: URL) -> bool:
    if theirs.get_backend_name() != ours.get_backend_name():
        return False
    if ours.get_backend_name() == "sqlite":
        places = [Path(url.database or ":memory:").absolute() for url in (theirs, ours)]
        return places[0] == places[1] and places[0].name != ":memory:"
    return theirs.database == ours.database and (theirs.host == ours.host or None in {theirs.host, ours.host})
