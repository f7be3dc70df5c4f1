"""The two tables of the delivery log: one row a message, and its timeline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import DateTime, Dialect, ForeignKey, Index, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column
from sqlalchemy.types import TypeEngine

__all__ = ["FINAL", "Base", "EmailEvent", "EmailLog", "Moment", "Status"]

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
        moment = datetime.fromisoformat(value).replace(tzinfo=UTC) if dialect.name == "sqlite" else value
        return (moment - _EPOCH) // _MILLISECOND


class Base(MappedAsDataclass, DeclarativeBase):
    """What Toril's mail tables have in common."""


class EmailLog(Base, kw_only=True):
    """One message for one recipient. Its columns are in the order in which a person asks for them.

    What is personal or may be secret is not in its `repr`, which ends up in logs.
    """

    __tablename__ = "email_logs"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    type: Mapped[str] = mapped_column(Text)
    recipient: Mapped[str] = mapped_column(Text, index=True, repr=False)
    subject: Mapped[str] = mapped_column(Text, repr=False)
    status: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text, default=None, repr=False)
    created_at: Mapped[int] = mapped_column(Moment, index=True)
    sent_at: Mapped[int | None] = mapped_column(Moment, default=None)
    first_try_at: Mapped[int | None] = mapped_column(Moment, default=None)
    send_at: Mapped[int] = mapped_column(Moment)
    """Not to be sent before: the time asked for, then that of the next attempt."""
    look_at: Mapped[int | None] = mapped_column(Moment)
    """When the relay looks at it; None only once `status` is final."""
    give_up_at: Mapped[int | None] = mapped_column(Moment, default=None)
    """While it is being sent: when a sender that said nothing more is taken for dead."""
    recipient_name: Mapped[str] = mapped_column(Text, default="", repr=False)
    priority: Mapped[int] = mapped_column(default=0)
    message_id: Mapped[str] = mapped_column(Text)
    context: Mapped[str] = mapped_column(Text, repr=False)
    """What the template uses, as JSON; it may hold secrets."""

    __table_args__ = (
        Index(
            "ix_email_logs_due",
            look_at,
            sqlite_where=look_at.isnot(None),
            postgresql_where=look_at.isnot(None),
        ),
    )


class EmailEvent(Base, kw_only=True):
    """One line of a message's timeline."""

    __tablename__ = "email_events"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    email_id: Mapped[str] = mapped_column(ForeignKey("email_logs.id", ondelete="CASCADE"), index=True)
    at: Mapped[int] = mapped_column(Moment)
    event: Mapped[str] = mapped_column(Text)
    attempt: Mapped[int]
    detail: Mapped[str] = mapped_column(Text, default="", repr=False)
