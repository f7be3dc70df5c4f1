"""Users who sign in to the dashboard: argon2 passwords, and a pause after failed logins."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections.abc import Iterable, Sequence
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from toril.clock import Clock
from toril.errors import InvalidOption
from toril.web.auth import Principal, Role, roles_of
from toril.web.database import Database
from toril.web.models import LoginFailures, User
from toril.web.problems import Problem

__all__ = ["Users"]

SHORTEST, LONGEST = 12, 1_000  # characters of a password; OWASP asks for length, not for kinds of characters
FREE = 5  # logins that may fail before each further one has to wait
FIRST_PAUSE, LONGEST_PAUSE = 2_000, 900_000  # milliseconds; the pause doubles from one to the other
FORGOTTEN = 3_600_000  # milliseconds after which failures count no more
_SITE = 64  # bits of an IPv6 address that are its network's: whoever has one address there has all
_HASHER = PasswordHasher()  # RFC 9106's second choice, argon2-cffi's default


class Users:
    """The users of one application's dashboard."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def put(self, name: str, password: str, roles: Iterable[str]) -> None:
        """Make a user, or give one another password and other roles, which ends its sessions. Raises InvalidOption."""
        if not name or not name.isprintable() or name != name.strip():
            raise InvalidOption(f"name: expected a name in one line, got {name!r}")
        if not SHORTEST <= len(password) <= LONGEST:
            raise InvalidOption(f"password: expected {SHORTEST} to {LONGEST:,} characters")
        hashed, now = await asyncio.to_thread(_HASHER.hash, password), self._clock.now()
        user = User(
            name=name, roles=",".join(sorted(roles_of(roles))), password=hashed, created_at=now, sessions_from=now
        )

        async def put(session: AsyncSession) -> None:
            known = await session.get(User, name)
            if known is not None:
                user.created_at = known.created_at
            await session.merge(user)

        await self._database.run(put)

    async def list(self) -> Sequence[User]:
        """Return all users, by name."""

        async def read(session: AsyncSession) -> Sequence[User]:
            return (await session.scalars(select(User).order_by(User.name))).all()

        return await self._database.run(read)

    async def remove(self, name: str) -> bool:
        """Remove a user, whose sessions are over; return False if there is none of that name."""

        async def remove(session: AsyncSession) -> bool:
            return bool((await session.execute(delete(User).where(User.name == name))).rowcount)  # type: ignore[attr-defined]

        return await self._database.run(remove)

    async def get(self, name: str) -> User | None:
        """Return a user, or None."""
        return await self._database.run(lambda session: session.get(User, name))

    async def login(self, name: str, password: str, place: str, browser: str | None = None) -> Principal | None:
        """Return the user of that name and password, or None.

        After five failures for a name, or from a place (an address), each further try has to wait: twice as long each
        time, up to 15 minutes. A `browser` in which the user has signed in before counts by itself: strangers who
        guess at a name do not lock out whoever bears it. Raises Problem 429.
        """
        stranger = [_key("name", name), _key("place", _network(place))]
        keys = stranger if browser is None else [_key("browser", browser)]
        await self._database.run(lambda session: self._throttle(session, keys))
        user = await self.get(name)
        known = user.password if user else _nobody()  # so that a name without a user takes as long
        right = len(password) <= LONGEST and await asyncio.to_thread(_verify, known, password)
        if user is None or not right:
            return None
        await self._database.run(lambda session: self._forget(session, keys))
        return principal_of(user)

    async def _throttle(self, session: AsyncSession, keys: Sequence[str]) -> None:
        """Count the try as failed until it has succeeded, so that tries at the same time count, too."""
        now = self._clock.now()
        rows = [await session.get(LoginFailures, key) for key in keys]
        for row in rows:
            wait = 0 if row is None else row.last_at + pause_after(row.count) - now
            if wait > 0:
                seconds = -(-wait // 1000)
                raise Problem(
                    429, "login-throttled", f"too many failed logins: try again in {seconds} s",
                    headers={"Retry-After": str(seconds)},
                )  # fmt: skip
        for key, row in zip(keys, rows, strict=True):
            if row is None:
                session.add(LoginFailures(key=key, count=1, last_at=now))
            else:
                row.count = 1 if now - row.last_at > FORGOTTEN else row.count + 1
                row.last_at = now

    async def _forget(self, session: AsyncSession, keys: Sequence[str]) -> None:
        old = LoginFailures.last_at < self._clock.now() - FORGOTTEN
        await session.execute(delete(LoginFailures).where(LoginFailures.key.in_(keys) | old))


def principal_of(user: User) -> Principal:
    """Return the principal that a user is."""
    return Principal(user.name, frozenset(map(Role, user.roles.split(","))), "session")


def pause_after(failures: int) -> int:
    """Return the milliseconds that the next try has to wait."""
    return 0 if failures < FREE else min(FIRST_PAUSE * 2 ** min(failures - FREE, 30), LONGEST_PAUSE)


@cache
def _nobody() -> str:
    return _HASHER.hash("nobody has this password")


def _verify(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def _network(place: str) -> str:
    """Return an address as a guesser has it: of IPv6, a whole network."""
    try:
        address = ipaddress.ip_address(place)
    except ValueError:
        return place
    if isinstance(address, ipaddress.IPv4Address):
        return place
    return str(address.ipv4_mapped or ipaddress.ip_network((address.packed, _SITE), strict=False))


def _key(kind: str, value: str) -> str:
    """Return the key of a name or place; a hash, so that the table holds no addresses."""
    return f"{kind}:{hashlib.sha256(value.encode()).hexdigest()[:32]}"
