"""Where users, tokens and the audit log are: a SQL database, that of the delivery log unless told otherwise."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sqlalchemy import URL, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from toril import sync
from toril.app import Toril
from toril.errors import StoreUnavailable
from toril.messaging.database import cause, default_url, in_memory, log_url
from toril.web.migrations import upgrade

__all__ = ["Database"]

T = TypeVar("T")
_BUSY = 5.0  # seconds that SQLite waits for another process's commit


class Database:
    """The tables of `toril.web.models` for one application.

    Its engine lives on the process's loop thread, so that calls may come from any loop, one of a test's included.
    Nothing is opened before the first use.
    """

    def __init__(self, app: Toril) -> None:
        configured = app.settings.mail_log_url
        self._url = log_url(configured.get_secret_value() if configured else default_url(app.url))
        self.name = self._url.render_as_string(hide_password=True)
        """Where it is: whose users these are."""
        self._opened: tuple[int, asyncio.Task[AsyncEngine]] | None = None
        app.on_close(self.close)

    @staticmethod
    def of(app: Toril) -> Database:
        """Return the database of an application, always the same object."""
        if app not in _databases:
            _databases[app] = Database(app)
        return _databases[app]

    async def run(self, verb: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Return what `verb` does in a transaction of its own; raise StoreUnavailable."""
        return await sync.run_aside(self._run(verb))

    async def close(self) -> None:
        """Let go of the engine."""
        if self._opened is not None and self._opened[0] == os.getpid():
            await sync.run_aside(self._close())

    async def _run(self, verb: Callable[[AsyncSession], Awaitable[T]]) -> T:
        try:
            engine = await self._engine()
            async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
                return await verb(session)
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable(f"database {self.name}: {cause(error)}") from None

    async def _engine(self) -> AsyncEngine:
        """Return the engine, opened once by each process."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), asyncio.create_task(_open(self._url))
        try:
            return await asyncio.shield(self._opened[1])
        except Exception:
            self._opened = None  # the next call tries again
            raise

    async def _close(self) -> None:
        assert self._opened is not None
        _, task = self._opened
        self._opened = None
        await (await task).dispose()


_databases: weakref.WeakKeyDictionary[Toril, Database] = weakref.WeakKeyDictionary()


async def _open(url: URL) -> AsyncEngine:
    sqlite = url.get_backend_name() == "sqlite"
    options: dict[str, Any] = {"pool_pre_ping": True}
    if sqlite:
        options = {"connect_args": {"timeout": _BUSY, "isolation_level": None}}
        if in_memory(url):  # one connection, or each would have a database of its own
            options |= {"poolclass": AsyncAdaptedQueuePool, "pool_size": 1, "max_overflow": 0}
    engine = create_async_engine(url, hide_parameters=True, **options)
    if sqlite:
        event.listen(engine.sync_engine, "connect", _durable)
        event.listen(engine.sync_engine, "begin", lambda link: link.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        async with engine.begin() as connection:
            await connection.run_sync(upgrade)
    except BaseException:
        await engine.dispose()
        raise
    return engine


def _durable(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()
