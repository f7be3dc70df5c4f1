"""The kinds of stores that tests run on. A new kind joins the conformance suite by its line in KINDS.

Each can make an empty store, let several applications share it, and let time pass in it.
"""

from __future__ import annotations

import json
import sqlite3
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import redis

from redis_servers import forget, fresh_prefix, pass_time, read_all, shared_cluster, shared_url, texts
from toril import ManualClock, Toril
from toril.clock import Clock
from toril.settings import Settings

START = 1_800_000_000_000  # 2027-01-15 08:00 UTC, in milliseconds: when a test's clock begins


class EmptyStore(AbstractAsyncContextManager["EmptyStore"]):
    """A store that nobody has used yet. The applications that `app` makes share it; it goes away when it is closed."""

    processes = True  # can others open its URL?
    one_log = True  # are the events of all queues in one line?
    bullmq = False  # are lines and leases as BullMQ has them?

    def __init__(self) -> None:
        self._apps: list[Toril] = []

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it is."""

    @abstractmethod
    def content(self) -> bytes:
        """Return all that it has written, as it lies there."""

    def lose_all(self) -> None:
        """Lose what is stored, as by FLUSHALL or a deleted file."""
        raise NotImplementedError

    def age(self, seconds: float) -> None:
        """Let what the store itself times (the time to live of a key, say) become so much older."""

    def settings(self) -> dict[str, Any]:
        """Return the settings that an application needs besides the URL."""
        return {}

    def app(self, clock: Clock | None = None, **changes: Any) -> Toril:
        """Return a new application on this store, which nothing of the machine's environment reaches."""
        settings = Settings(env={}, dotenv=None, **self.settings() | changes)
        self._apps.append(Toril(self.url, settings=settings, clock=clock))
        return self._apps[-1]

    def clock(self, now: int = START) -> ManualClock:
        """Return a clock that a test moves, and the store's own timers with it."""
        return _StoreClock(now, self.age)

    def holds(self, text: str) -> bool:
        """Return whether a text stands anywhere in the store, plain or in JSON's or Python's quotes."""
        forms = (text, json.dumps(text)[1:-1], repr(text)[1:-1])
        content = self.content()
        return any(form.encode() in content for form in forms)

    async def close(self) -> None:
        """Close its applications and take away what is stored."""
        for app in self._apps:
            await app.close()

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class SqliteFile(EmptyStore):
    """One file; every application opens it anew."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory(prefix="toril-")

    @property
    def url(self) -> str:
        return f"sqlite:///{self._folder.name}/jobs.db"

    def content(self) -> bytes:
        return b"".join(path.read_bytes() for path in Path(self._folder.name).iterdir() if path.is_file())

    def lose_all(self) -> None:
        for path in Path(self._folder.name).iterdir():
            path.unlink()

    async def close(self) -> None:
        await super().close()
        self._folder.cleanup()


class SqliteMemory(EmptyStore):
    """A database that lives in one store object: its applications use that of the first."""

    processes = False
    url = "sqlite:///:memory:"

    def app(self, clock: Clock | None = None, **changes: Any) -> Toril:
        app = super().app(clock, **changes)
        app.store = self._apps[0].store
        return app

    def content(self) -> bytes:
        with closing(sqlite3.connect(self._apps[0].store._file.name, uri=True)) as link:
            return link.serialize()


class Redis(EmptyStore):
    """A prefix of its own on the Redis that the session's tests share."""

    one_log = False
    bullmq = True

    def __init__(self) -> None:
        super().__init__()
        self._client = self._connect()
        self._prefix = fresh_prefix()

    @property
    def _keys(self) -> str:
        """What the names of its keys begin with."""
        return self._prefix

    def _connect(self) -> Any:
        return redis.Redis.from_url(self.url, socket_timeout=5)

    @property
    def url(self) -> str:
        return shared_url()

    def settings(self) -> dict[str, Any]:
        return {"prefix": self._prefix}

    def content(self) -> bytes:
        return b"\n".join(texts(read_all(self._client, self._keys)))

    def lose_all(self) -> None:
        forget(self._client, self._keys)

    def age(self, seconds: float) -> None:
        pass_time(self._client, self._keys, seconds)

    async def close(self) -> None:
        await super().close()
        forget(self._client, self._keys)
        self._client.close()


class RedisCluster(Redis):
    """A prefix of its own, all of it in one slot, on a Cluster of three masters that the session's tests share."""

    @property
    def url(self) -> str:
        return shared_cluster().url

    @property
    def _keys(self) -> str:
        return f"{{{self._prefix}}}"

    def _connect(self) -> Any:
        return redis.RedisCluster(port=shared_cluster().nodes[0].port, host="127.0.0.1", socket_timeout=5)


KINDS: dict[str, type[EmptyStore]] = {"sqlite-file": SqliteFile, "sqlite-memory": SqliteMemory, "redis": Redis}
WHEN_ASKED: dict[str, type[EmptyStore]] = {"redis-cluster": RedisCluster}  # what differs is the connection alone


class _StoreClock(ManualClock):
    def __init__(self, now: int, age: Callable[[float], None]) -> None:
        super().__init__(now)
        self._age = age

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._age(seconds)
