"""New rows of the delivery log, with all that belongs to them: keys, files, suppressions. Many at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, insert, update
from sqlalchemy.dialects import postgresql, sqlite

from toril.messaging.attachments import Loaded
from toril.messaging.models import Base, EmailLog, Status
from toril.messaging.suppression import suppressed

__all__ = ["Claim", "NewMail", "insert_mails"]

_tables: Mapping[str, Table] = Base.metadata.tables
_logs, _keys, _files, _attachments = (_tables[f"email_{name}"] for name in ("logs", "keys", "files", "attachments"))


@dataclass(frozen=True, slots=True)
class Claim:
    """A key (its hash) that the mail uses for ever, and what tells its content from another.

    content: what `digest` was made of, never to be kept or shown.
    """

    key: str
    digest: str
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewMail:
    """A row that is to be written. detail: what its first line in the timeline adds."""

    mail: EmailLog
    claim: Claim | None = None
    files: tuple[Loaded, ...] = ()
    detail: str = ""


def insert_mails(connection: Connection, mails: Sequence[NewMail], now: int) -> set[str]:
    """Write rows; return the ids of those that were not, because their key was used before.

    Rows whose recipient must not get them are written as suppressed.
    """
    refused = _claim(connection, mails)
    taken = [new for new in mails if not {new.mail.id, new.mail.copy_of} & refused]
    if taken:
        _suppress(connection, [new.mail for new in taken])
        connection.execute(insert(_logs), [_row(new.mail) for new in taken])
        _attach(connection, [new for new in taken if new.files], now)
    return refused


def _claim(connection: Connection, mails: Sequence[NewMail]) -> set[str]:
    claims = [{"key": new.claim.key, "email_id": new.mail.id, "digest": new.claim.digest} for new in mails if new.claim]
    if not claims:
        return set()
    statement = _insert(connection, _keys).on_conflict_do_nothing().returning(_keys.c.email_id)
    return {claim["email_id"] for claim in claims} - set(connection.execute(statement, claims).scalars())


def _suppress(connection: Connection, mails: Sequence[EmailLog]) -> None:
    why = suppressed(connection, mails)
    for mail in mails:
        if mail.id in why:
            mail.status, mail.error, mail.look_at = Status.SUPPRESSED, why[mail.id], None


def _attach(connection: Connection, mails: Sequence[NewMail], now: int) -> None:
    files = {file.hash: file.content for new in mails for file in new.files}
    if not files:
        return
    # Touched, so that nobody clears away what is about to be used again.
    touched = update(_files).where(_files.c.hash.in_(files)).values(used_at=now).returning(_files.c.hash)
    missing = files.keys() - set(connection.execute(touched).scalars())
    if missing:
        statement = _insert(connection, _files).on_conflict_do_update(index_elements=["hash"], set_={"used_at": now})
        connection.execute(statement, [{"hash": key, "used_at": now, "content": files[key]} for key in sorted(missing)])
    rows = [
        {"email_id": new.mail.id, "position": at, "hash": file.hash, "name": file.name, "media_type": file.media_type}
        for new in mails
        for at, file in enumerate(new.files)
    ]
    connection.execute(insert(_attachments), rows)


def _insert(connection: Connection, table: Table) -> Any:
    """Return an insert that can say what is to happen on a conflict: no common SQL does."""
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def _row(mail: EmailLog) -> dict[str, Any]:
    return {column.key: getattr(mail, column.key) for column in _logs.columns}
