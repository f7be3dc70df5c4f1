"""API tokens: `toril_…`, shown once, kept as a hash, with roles and an end."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from toril.clock import Clock
from toril.errors import InvalidOption
from toril.web.auth import Principal, Role, roles_of
from toril.web.database import Database
from toril.web.models import Token

__all__ = ["PREFIX", "Tokens"]

PREFIX = "toril_"  # so that scanners for leaked secrets know one when they see it
_BYTES = 32  # of randomness: nobody guesses it, so that a plain hash is enough
_MINUTE = 60_000  # milliseconds to which the last use is noted
_DAY = 86_400_000  # milliseconds


class Tokens:
    """The API tokens of one application."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, name: str, roles: Iterable[str], *, days: int | None = 90) -> tuple[Token, str]:
        """Make a token and return its row with the secret itself, which cannot be had again.

        name: what it is for. days: until it expires; None: never. Raises InvalidOption.
        """
        if not name or not name.isprintable():
            raise InvalidOption(f"name: expected what the token is for, in one line, got {name!r}")
        if days is not None and not 1 <= days <= 36_500:  # noqa: PLR2004  (a century)
            raise InvalidOption(f"days: expected 1 to 36,500, or none for a token without end, got {days}")
        secret, now = f"{PREFIX}{secrets.token_urlsafe(_BYTES)}", self._clock.now()
        token = Token(
            id=secrets.token_hex(4),
            name=name,
            digest=_digest(secret),
            roles=",".join(sorted(roles_of(roles))),
            created_at=now,
            expires_at=None if days is None else now + days * _DAY,
        )

        async def add(session: AsyncSession) -> None:
            session.add(token)

        await self._database.run(add)
        return token, secret

    async def list(self) -> Sequence[Token]:
        """Return all tokens, the oldest first."""

        async def read(session: AsyncSession) -> Sequence[Token]:
            return (await session.scalars(select(Token).order_by(Token.created_at, Token.id))).all()

        return await self._database.run(read)

    async def revoke(self, token_id: str) -> bool:
        """Let a token open nothing any more; return False if there is none of that id that still does."""
        now = self._clock.now()

        async def revoke(session: AsyncSession) -> bool:
            token = await session.get(Token, token_id)
            if token is None or token.revoked_at is not None:
                return False
            token.revoked_at = now
            return True

        return await self._database.run(revoke)

    async def find(self, secret: str) -> Principal | None:
        """Return who has this token; None if there is no such token, or it is over."""
        if not secret.startswith(PREFIX):
            return None
        digest, now = _digest(secret), self._clock.now()

        async def find(session: AsyncSession) -> Token | None:
            token = await session.scalar(select(Token).where(Token.digest == digest))
            if token is None or token.revoked_at is not None:
                return None
            if token.expires_at is not None and token.expires_at <= now:
                return None
            if token.used_at is None or now - token.used_at >= _MINUTE:
                token.used_at = now
            return token

        token = await self._database.run(find)
        if token is None:
            return None
        return Principal(token.name, frozenset(map(Role, token.roles.split(","))), f"token:{token.id}")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
