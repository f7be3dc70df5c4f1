"""Commands and their replies on connections of redis-py.

Its client does much around each command (pool, retries, counters) that cost more than the command; what is kept of it
is how connections are made, and how replies of some commands are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import redis.asyncio as redis
from hiredis import pack_command
from redis import exceptions

from toril.store.redis.patience import LIMIT, Patience

__all__ = ["Command", "Direct", "Exchange"]

Command = tuple[Any, ...]


class Exchange(Protocol):
    """What sends commands to a server, or to several."""

    async def ask(self, *commands: Command) -> list[Any]:
        """Send commands together on one connection and return their replies; what Redis refuses is an error in it.

        Raises what redis-py raises, or an OSError, if replies are missing.
        """

    async def masters(self) -> Sequence[Exchange]:
        """Return what asks each server that holds keys."""

    async def close(self) -> None:
        """Let go of all connections."""


class Direct:
    """With one server. Connections are made as calls overlap."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._pool: Any = client.connection_pool
        self._reads = client.response_callbacks
        self._idle: list[Any] = []  # redis-py's connections

    async def ask(self, *commands: Command) -> list[Any]:
        """See Exchange.ask."""
        connection = await self._free()
        try:
            if not connection.is_connected:
                with Patience(LIMIT):
                    await connection.connect()
            await connection.send_packed_command(b"".join(map(pack_command, commands)), check_health=False)
            replies = [await self._reply(connection, command[0]) for command in commands]
        except BaseException:  # a reply may still come
            await connection.disconnect(nowait=True)
            raise
        if connection.is_connected:
            self._idle.append(connection)
        return replies

    async def _free(self) -> Any:
        while self._idle:
            connection = self._idle.pop()
            if not await connection.can_read():
                return connection
            await connection.disconnect(nowait=True)  # the server has closed it
        return self._pool.make_connection()

    async def _reply(self, connection: Any, verb: str) -> Any:
        try:
            reply = await connection.read_response()
        except exceptions.ResponseError as error:
            if isinstance(error, exceptions.ReadOnlyError):  # a master no more: its name may lead to another by now
                for stale in (connection, *self._idle):
                    await stale.disconnect(nowait=True)
                self._idle.clear()
            return error
        read = self._reads.get(verb)
        return read(reply) if read else reply

    async def masters(self) -> Sequence[Direct]:
        """Return itself."""
        return [self]

    async def close(self) -> None:
        """See Exchange.close."""
        while self._idle:
            await self._idle.pop().disconnect()
        await self._client.aclose()
        watched = getattr(self._pool, "sentinel_manager", None)
        for sentinel in watched.sentinels if watched else ():  # redis-py leaves those open
            await sentinel.aclose()
