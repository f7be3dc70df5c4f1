"""The tables of the on-call screen: who may come in, and who did what."""

from __future__ import annotations

from sqlalchemy import Text
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from toril.messaging.models import Moment

__all__ = ["Answer", "AuditEntry", "Base", "EndedSession", "LoginFailures", "Token", "User"]


class Base(MappedAsDataclass, DeclarativeBase):
    """What these tables have in common. Times are epoch milliseconds in Python."""


class User(Base, kw_only=True):
    """Somebody who signs in to the dashboard."""

    __tablename__ = "toril_users"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    roles: Mapped[str] = mapped_column(Text)
    password: Mapped[str] = mapped_column(Text, repr=False)
    """Its argon2 hash."""
    created_at: Mapped[int] = mapped_column(Moment)
    sessions_from: Mapped[int] = mapped_column(Moment)
    """Sessions that began before are over: a new password ends them all."""


class Token(Base, kw_only=True):
    """An API token; of its secret only a hash is kept."""

    __tablename__ = "toril_tokens"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(Text, unique=True, repr=False)
    roles: Mapped[str] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(Moment)
    expires_at: Mapped[int | None] = mapped_column(Moment, default=None)
    revoked_at: Mapped[int | None] = mapped_column(Moment, default=None)
    used_at: Mapped[int | None] = mapped_column(Moment, default=None)
    """The last use, to the minute."""


class EndedSession(Base, kw_only=True):
    """A session that was ended by a logout: its cookie may have been copied."""

    __tablename__ = "toril_ended_sessions"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    until: Mapped[int] = mapped_column(Moment)
    """When it would have ended by itself, and this row with it."""


class LoginFailures(Base, kw_only=True):
    """Failed logins from one place or for one name since the last that succeeded."""

    __tablename__ = "toril_login_failures"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    count: Mapped[int]
    last_at: Mapped[int] = mapped_column(Moment)


class AuditEntry(Base, kw_only=True):
    """One action: written before it is done, and again with what came of it."""

    __tablename__ = "toril_audit"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    at: Mapped[int] = mapped_column(Moment, index=True)
    who: Mapped[str] = mapped_column(Text)
    origin: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    queue: Mapped[str | None] = mapped_column(Text, default=None)
    jobs: Mapped[str] = mapped_column(Text, default="[]")
    """The ids of the first 1,000 jobs, as JSON."""
    count: Mapped[int | None] = mapped_column(default=None)
    """How many jobs it was done to; None: it concerns none, or was not finished."""
    detail: Mapped[str] = mapped_column(Text, default="")
    outcome: Mapped[str] = mapped_column(Text, default="begun")
    """`begun`, `done`, or `failed: …`; one that stays `begun` was cut off."""


class Answer(Base, kw_only=True):
    """What was answered to a request with an idempotency key."""

    __tablename__ = "toril_answers"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    request: Mapped[str] = mapped_column(Text)
    at: Mapped[int] = mapped_column(Moment, index=True)
    status: Mapped[int | None] = mapped_column(default=None)
    body: Mapped[str | None] = mapped_column(Text, default=None, repr=False)
