"""The transactional outbox: a message in the caller's own transaction, sent if that is committed and only then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, event, select
from sqlalchemy.orm import Session, SessionTransaction

from toril.errors import ConfigurationError, InvalidOption
from toril.messaging.changes import Add, apply
from toril.messaging.inserting import NewMail
from toril.messaging.models import EmailKey

__all__ = ["add_in", "after_commit", "check_session"]

_WAITING = "toril.mail"  # in the session's own place for what belongs to others

Used = tuple[str, str]
"""Of a key that was used before: the message and its digest."""


def check_session(session: object, *, blocking: bool) -> None:
    """Raise InvalidOption for what is no session, or one of the other kind."""
    if session is not None and (not hasattr(session, "connection") or hasattr(session, "run_sync") is blocking):
        kind, other = ("Session", "send") if blocking else ("AsyncSession", "send_sync")
        raise InvalidOption(f"session: expected an SQLAlchemy {kind}, got {type(session).__name__}; see also {other}")


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
    if _WAITING not in session.info:
        session.info[_WAITING] = _Waiting()
        event.listen(session, "after_commit", _committed)
        event.listen(session, "after_transaction_end", _ended)
    session.info[_WAITING].calls.append(then)


@dataclass(slots=True)
class _Waiting:
    """What a session's transaction does once it is committed. The session keeps it, and its listeners, to its end."""

    calls: list[Callable[[], None]] = field(default_factory=list)
    committed: bool = False


def _committed(session: Session) -> None:
    if not session.in_nested_transaction():  # a savepoint says so, too
        session.info[_WAITING].committed = True


def _ended(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is not None:
        return
    waiting: _Waiting = session.info[_WAITING]
    calls = waiting.calls if waiting.committed else []
    waiting.calls, waiting.committed = [], False
    for call in calls:
        call()


def _is_same(theirs: URL, ours: URL) -> bool:
    if theirs.get_backend_name() != ours.get_backend_name():
        return False
    if ours.get_backend_name() == "sqlite":
        places = [Path(url.database or ":memory:").absolute() for url in (theirs, ours)]
        return places[0] == places[1] and places[0].name != ":memory:"
    return theirs.database == ours.database and (theirs.host == ours.host or None in {theirs.host, ours.host})
