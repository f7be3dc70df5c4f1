"""The tables of the delivery log: one row a message, its timeline, and what both lean on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

from sqlalchemy import DateTime, Dialect, ForeignKey, Index, LargeBinary, Select, String, Text, TypeDecorator, func
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column
from sqlalchemy.types import TypeEngine

from toril.messaging.message import Kind
from toril.messaging.transport.transcript import parted

__all__ = [
    "FINAL",
    "Base",
    "EmailAttachment",
    "EmailEvent",
    "EmailFile",
    "EmailKey",
    "EmailLog",
    "EmailSuppression",
    "Moment",
    "Query",
    "Status",
]

Query: TypeAlias = "Select[*tuple[Any, ...]]"
"""What reads rows, of whatever columns."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Status(StrEnum):
    """Where a message stands."""

    PENDING = "pending"  # to be sent, at once or at `send_at`
    SENDING = "sending"  # a sender is at it, until `give_up_at` at most
    SENT = "sent"  # the server took it
    FAILED = "failed"  # refused for good, or out of attempts
    CANCELLED = "cancelled"  # taken back before it was sent
    SUPPRESSED = "suppressed"  # the recipient must not get it
    UNKNOWN = "unknown"  # handed over, and no answer came: somebody has to decide

    __hash__ = str.__hash__  # as that of the text that it equals; an Enum's own is that of its name


FINAL = frozenset(Status) - {Status.PENDING, Status.SENDING}


class Moment(TypeDecorator[int]):
    """Epoch milliseconds in Python; in the database a time in UTC that people can read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type: SQLite has none for times."""
        return String(23) if dialect.name == "sqlite" else DateTime(timezone=True)

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Any:
        """Turn milliseconds into what the database keeps."""
        if value is None:
            return None
        moment = _EPOCH + value * _MILLISECOND
        return moment.isoformat(" ", "milliseconds")[:23] if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        """Turn what the database keeps into milliseconds."""
        if value is None:
            return None
        moment = datetime.fromisoformat(f"{value}+00:00") if dialect.name == "sqlite" else value
        return (moment - _EPOCH) // _MILLISECOND


def _only(column: Mapped[Any]) -> dict[str, Any]:
    """Return the options of an index that leaves out the rows without a value."""
    return {"sqlite_where": column.isnot(None), "postgresql_where": column.isnot(None)}


class Base(MappedAsDataclass, DeclarativeBase):
    """What Toril's mail tables have in common."""


class EmailLog(Base, kw_only=True):
    """One message for one recipient. Its columns are in the order in which a person asks for them.

    Ids begin with the time of their making, so their order is that of the rows. What is personal or may be secret is
    not in its `repr`, which ends up in logs.
    """

    __tablename__ = "email_logs"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    type: Mapped[str] = mapped_column(Text)
    recipient: Mapped[str] = mapped_column(Text, repr=False)
    subject: Mapped[str] = mapped_column(Text, repr=False)
    status: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text, default=None, repr=False)
    created_at: Mapped[int] = mapped_column(Moment)
    sent_at: Mapped[int | None] = mapped_column(Moment, default=None)
    first_try_at: Mapped[int | None] = mapped_column(Moment, default=None)
    send_at: Mapped[int] = mapped_column(Moment)
    """Not to be sent before: the time asked for, then that of the next attempt."""
    look_at: Mapped[int | None] = mapped_column(Moment)
    """When the relay looks at it; None only once `status` is final."""
    give_up_at: Mapped[int | None] = mapped_column(Moment, default=None)
    """While it is being sent: when a sender that said nothing more is taken for dead."""
    key: Mapped[str | None] = mapped_column(Text, default=None, repr=False)
    """The caller's own name for it; what makes it unique outlives the row, in `email_keys`."""
    batch: Mapped[str | None] = mapped_column(Text, default=None)
    """The `send_many` that made it."""
    copy_of: Mapped[str | None] = mapped_column(Text, default=None)
    """The row of the same mail's recipient, for a cc or bcc."""
    kind: Mapped[Kind] = mapped_column(Text, default="transactional")
    category: Mapped[str] = mapped_column(Text, default="")
    """What a recipient of a subscribed mail opts out of."""
    locale: Mapped[str] = mapped_column(Text, default="")
    priority: Mapped[int] = mapped_column(default=0)
    forgiven: Mapped[int] = mapped_column(default=0)
    """Attempts that do not count: somebody let it be tried anew, or its server had too much to do."""
    recipient_name: Mapped[str] = mapped_column(Text, default="", repr=False)
    message_id: Mapped[str] = mapped_column(Text)
    trace: Mapped[str | None] = mapped_column(Text, default=None, repr=False)
    """The trace context in which it was accepted, as JSON."""
    extras: Mapped[str] = mapped_column(Text, default="", repr=False)
    """Headers of its own, as JSON; see `Extras`."""
    context: Mapped[str] = mapped_column(Text, repr=False)
    """What the template uses, as JSON; secret fields are encrypted."""

    __table_args__ = (
        # The time that people sort by, with what the counts by hour need.
        Index("ix_email_logs_created_at", "created_at", "status"),
        Index("ix_email_logs_status", "status", "id"),
        Index("ix_email_logs_type", "type", "id"),
        Index("ix_email_logs_recipient", func.lower(recipient), "id"),
        Index("ix_email_logs_key", "key", "id", **_only(key)),
        Index("ix_email_logs_batch", "batch", "id", **_only(batch)),
        Index("ix_email_logs_copy_of", "copy_of", **_only(copy_of)),
        Index("ix_email_logs_due", "look_at", **_only(look_at)),
    )


class EmailEvent(Base, kw_only=True):
    """One line of a message's timeline."""

    __tablename__ = "email_events"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    email_id: Mapped[str] = mapped_column(ForeignKey("email_logs.id", ondelete="CASCADE"), index=True)
    at: Mapped[int] = mapped_column(Moment)
    event: Mapped[str] = mapped_column(Text)
    attempt: Mapped[int]
    told: Mapped[str] = mapped_column("detail", Text, default="", repr=False)
    """The detail, and the dialogue below it."""

    @property
    def detail(self) -> str:
        """More of it, in one line."""
        return parted(self.told)[0]

    @property
    def dialogue(self) -> list[str]:
        """Of an attempt that has ended, what was said: its lines, as a Transcript has them."""
        return parted(self.told)[1]


class EmailKey(Base, kw_only=True):
    """A key that was used, for ever: its hash, for keys name people, and what tells one content from another."""

    __tablename__ = "email_keys"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    email_id: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(Text)


class EmailFile(Base, kw_only=True):
    """What is attached, once for each content: `hash` is its SHA-256."""

    __tablename__ = "email_files"

    hash: Mapped[str] = mapped_column(Text, primary_key=True)
    used_at: Mapped[int] = mapped_column(Moment, index=True)
    content: Mapped[bytes] = mapped_column(LargeBinary, repr=False)


class EmailAttachment(Base, kw_only=True):
    """A file on a message."""

    __tablename__ = "email_attachments"

    email_id: Mapped[str] = mapped_column(ForeignKey("email_logs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(ForeignKey("email_files.hash"), index=True)
    name: Mapped[str] = mapped_column(Text, repr=False)
    media_type: Mapped[str] = mapped_column(Text)


class EmailSuppression(Base, kw_only=True):
    """An address that must not get mail: none at all, none that is subscribed, or none of a category.

    address: in lower case; of somebody who asked to be forgotten, only its hash.
    """

    __tablename__ = "email_suppressions"

    address: Mapped[str] = mapped_column(Text, primary_key=True, repr=False)
    scope: Mapped[str] = mapped_column(Text, primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text, default="", repr=False)
    created_at: Mapped[int] = mapped_column(Moment, index=True)
