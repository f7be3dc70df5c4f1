"""The delivery log's database: its URL, its engine, its durability."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from toril.errors import ConfigurationError, InvalidSettings, StoreRefused, StoreUnavailable
from toril.messaging.migrations import is_current, upgrade
from toril.messaging.presence import answered

__all__ = [
    "blocking_engine",
    "cause",
    "default_url",
    "in_memory",
    "log_url",
    "open_engine",
    "passes",
    "reading",
    "run_query",
]

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}
_BUSY = 0.7  # seconds that SQLite waits for another process's commit before the writer tries again
_CONNECTING = 0.7  # seconds that a server may take to let us in
_OPENING = 10.0  # seconds for other processes that open the same new database
_POSTGRESQL: dict[str, Any] = {
    "pool_pre_ping": True,
    "connect_args": {"timeout": _CONNECTING, "server_settings": {"timezone": "UTC", "synchronous_commit": "on"}},
}
# PostgreSQL's classes: connection, conflict with another transaction, resources, operator's work
_PASSING_STATES = {"08", "40", "53", "57"}
_DRIVER_LOG = logging.getLogger("aiosqlite")
_READING = "toril_reading"


def default_url(store_url: str) -> str:
    """Return where the log goes unless told otherwise: beside the store, `jobs.db` → `jobs-mail.db`."""
    scheme, _, place = store_url.partition("://")
    if scheme != "sqlite":
        return "sqlite:///toril-mail.db"
    if place in {"", "/", "/:memory:", ":memory:"}:
        return "sqlite:///:memory:"
    stem, dot, suffix = place.rpartition(".")
    return f"sqlite://{stem}-mail.{suffix}" if dot and "/" not in suffix else f"sqlite://{place}-mail.db"


def log_url(text: str) -> URL:
    """Read the URL of a delivery log; raise InvalidSettings."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise InvalidSettings("log_url: expected a URL such as sqlite:///mail.db or postgresql://…") from None
    name = url.get_backend_name()
    if name not in _DRIVERS:
        raise InvalidSettings(f"log_url: expected sqlite:// or postgresql://, got {name}://")
    return url.set(drivername=_DRIVERS[name])


def blocking_engine(url: URL, *, wait: bool = True) -> Engine:
    """Return an engine on a SQLite file with one connection; the schema must be there already.

    wait: for somebody who has locked the file.
    """
    options = _sqlite_options(url)
    if not wait:
        options["connect_args"]["timeout"] = 0
    options["connect_args"]["check_same_thread"] = False  # closed by whoever closes the log
    engine = create_engine(url.set(drivername="sqlite"), hide_parameters=True, **options)
    _prepare(engine)
    return engine


async def open_engine(url: URL) -> AsyncEngine:
    """Return an engine on a database with the newest schema.

    Raises StoreUnavailable, StoreRefused, and ConfigurationError if the driver is missing.
    """
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite:
        _check_folder(url)
    _DRIVER_LOG.setLevel(max(_DRIVER_LOG.level, logging.INFO))  # at DEBUG it writes parameters: secrets, addresses
    try:
        options = _sqlite_options(url) if sqlite else _POSTGRESQL
        engine = create_async_engine(url, hide_parameters=True, **options)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"log_url: {url.get_backend_name()} needs the package {error.name}") from None
    if sqlite:
        _prepare(engine.sync_engine)
    try:
        await _upgrade(engine)
    except BaseException as error:
        await engine.dispose()
        if isinstance(error, (SQLAlchemyError, OSError)):
            shown = url.render_as_string(hide_password=True)
            raise StoreUnavailable(f"delivery log {shown}: {cause(error)}") from error
        raise
    return engine


async def run_query(engine: AsyncEngine, query: Any) -> Sequence[Any]:
    """Return the rows that a query finds, without waiting for a writer; raise StoreUnavailable."""

    async def ask() -> Sequence[Any]:
        async with AsyncSession(reading(engine), expire_on_commit=False) as session:
            return (await session.execute(query)).all()

    try:
        return await answered(engine, ask())
    except (SQLAlchemyError, OSError) as error:
        raise StoreUnavailable(f"the delivery log could not be read: {cause(error)}") from None


def in_memory(url: URL) -> bool:
    """Return whether a SQLite URL names no file."""
    return url.database in {None, "", ":memory:"}


E = TypeVar("E", Engine, AsyncEngine)


def reading(engine: E) -> E:
    """Return the same engine for reads only, which never wait for a writer."""
    return engine.execution_options(**{_READING: True})


def cause(error: BaseException) -> str:
    """Return what the database itself said: SQLAlchemy's own text would quote the parameters."""
    if isinstance(error, TimeoutError):
        return "it does not answer"
    return str(getattr(error, "orig", None) or type(error).__name__)


def passes(error: Exception) -> bool:
    """Return whether an error is of the database's state (locked, gone, full), and worth another try."""
    if isinstance(error, (OperationalError, InterfaceError, OSError)):
        return True
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    return isinstance(error, DBAPIError) and (error.connection_invalidated or state[:2] in _PASSING_STATES)


async def _upgrade(engine: AsyncEngine) -> None:
    give_up = time.monotonic() + _OPENING
    while True:
        try:
            async with reading(engine).connect() as connection:
                current = await connection.run_sync(is_current)
            if not current:  # else without a turn to write: somebody may have it for long
                async with engine.begin() as connection:
                    await connection.run_sync(upgrade)
        except OperationalError as error:
            # SQLite does not wait for its turn while another process turns WAL on.
            if "locked" not in cause(error) or time.monotonic() > give_up:
                raise
        else:
            return
        await asyncio.sleep(0.02)


def _check_folder(url: URL) -> None:
    if in_memory(url):
        return
    path = Path(url.database or "").absolute()
    if not path.parent.is_dir():
        raise StoreRefused(f"delivery log {path}: expected an existing folder, {path.parent} is none")
    for place in (path.parent, path):
        if place.exists() and not os.access(place, os.W_OK):
            raise StoreRefused(f"delivery log {path}: expected a file and folder that can be written, {place} cannot")


def _sqlite_options(url: URL) -> dict[str, Any]:
    # No driver-made transactions: `_take_turn` begins them.
    options: dict[str, Any] = {
        "connect_args": {"timeout": _BUSY, "isolation_level": None},
        "pool_reset_on_return": None,  # nothing is ever left open
    }
    if in_memory(url):  # one connection, or each would have a database of its own
        options |= {"poolclass": AsyncAdaptedQueuePool, "pool_size": 1, "max_overflow": 0}
    return options


def _prepare(engine: Engine) -> None:
    event.listen(engine, "connect", _durable)
    event.listen(engine, "begin", _take_turn)


def _durable(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA temp_store = MEMORY")  # what would undo a large statement is a file otherwise
    cursor.close()


def _take_turn(connection: Any) -> None:
    # IMMEDIATE: a transaction that reads first and writes later cannot wait for its turn, it fails at once.
    if not connection.get_execution_options().get(_READING):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
