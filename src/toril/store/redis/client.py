"""The connections of one event loop, and what a call may cost: a time limit, a breaker, one clear error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from redis import exceptions

from toril.errors import StoreRefused, StoreUnavailable
from toril.log import STORE_IMPOLITE
from toril.store.redis.breaker import Breaker
from toril.store.redis.exchange import Command, Exchange
from toril.store.redis.links import connect
from toril.store.redis.patience import LIMIT, Patience
from toril.store.redis.scripts import Script
from toril.store.redis.url import Address

__all__ = ["LIMIT", "Client"]

PATIENCE = 5.0  # seconds that a worker waits for one reply before it asks again on another connection
CONNECTIONS = 50
POLL = 0.1  # seconds between looks at streams that Redis cannot wait for together
SCAN = 30.0  # seconds for which the queues that Node made are taken for known
FEW = 10_000  # keys that are all looked at while somebody waits
BREATH = 0.002  # seconds between two looks at more, for other callers
_REFUSALS = (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError)
_LOST = (
    exceptions.RedisError,
    OSError,
    EOFError,
    asyncio.IncompleteReadError,
)
_REFUSED = ("ACL failure in script", "certificate verify failed", "CERTIFICATE_VERIFY_FAILED")  # in other errors' texts


Ask = Callable[..., Awaitable[Any]]
T = TypeVar("T")


class Client:
    """Connections of one event loop to one Redis."""

    def __init__(self, address: Address, shown: str) -> None:
        self._address = address
        self._shown = shown
        self._breaker = Breaker()
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._exchange = connect(address)
        self._life: AsyncGenerator[None, None] | None = None
        self._blocking: dict[str, Exchange] = {}
        self._queues: set[str] = set()  # that a look at all keys has found
        self._scan: asyncio.Task[None] | None = None  # that look
        self._scan_due = 0.0  # when the next one is

    async def run(
        self,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[Any],
        limit: float | None = LIMIT,
        *,
        replicas: int = 0,
    ) -> Any:
        """Run a script and return what it returns.

        limit: seconds; None for a worker, who may wait longer. replicas: how many must have what it wrote by then.
        """
        command = ("EVALSHA", script.sha, len(keys), *keys, *arguments)
        return await self.call(*command, limit=limit, script=script, replicas=replicas)

    async def call(
        self, *command: Any, limit: float | None = LIMIT, script: Script | None = None, replicas: int = 0
    ) -> Any:
        """Send a command and return the reply.

        Raises StoreUnavailable if there is none in time (`undecided` if the command may have arrived), StoreRefused if
        Redis does not let us in.
        """
        await self._begin()
        await self._take_place(limit)
        try:
            if limit is not None and not self._breaker.admits():
                raise StoreUnavailable(f"{self._shown} does not answer; it is tried again in a moment")
            with Patience(limit or PATIENCE):
                reply = await self._send(command, script, replicas)
        except _REFUSALS as error:
            raise StoreRefused(f"{self._shown}: {error}") from None
        except (TimeoutError, exceptions.TimeoutError):
            raise self._failed(f"no answer within {limit or PATIENCE:g} s", undecided=True) from None
        except exceptions.ResponseError as error:  # it answers: this is no reason to open the breaker
            self._breaker.succeeded()
            raise self._error(error) from error
        except _LOST as error:
            raise self._failed(error, undecided=True) from None
        finally:
            self._places.release()
        self._breaker.succeeded()
        return reply

    async def _take_place(self, limit: float | None) -> None:
        """Wait until fewer than CONNECTIONS calls are under way; that a crowd waits says nothing of Redis."""
        if not self._places.locked():
            await self._places.acquire()  # at once
            return
        try:
            with Patience(limit):
                await self._places.acquire()
        except TimeoutError:
            raise StoreUnavailable(f"{self._shown}: {CONNECTIONS} calls of this process wait for it already") from None

    async def _send(self, command: Command, script: Script | None, replicas: int) -> Any:
        """Send a command, and learn on the same connection whether so many replicas have it."""
        wait: list[Command] = [("WAIT", replicas, round(LIMIT * 900))] if replicas else []
        replies = await self._exchange.ask(command, *wait)
        if isinstance(replies[0], exceptions.NoScriptError):  # a fresh server, SCRIPT FLUSH, a failover
            assert script is not None
            replies = await self._exchange.ask(("EVAL", script.source, *command[2:]), *wait)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        if replicas and replies[1] < replicas:
            raise exceptions.ConnectionError(f"it is on {replies[1]} replicas, expected {replicas}")
        return replies[0]

    async def pop_marker(self, key: str, name: str, seconds: float) -> None:
        """Wait until a marker is in the sorted set `key`, for `seconds` at most, on a connection of its own.

        name: under which the connection shows in CLIENT LIST, as BullMQ counts workers.
        """
        await self._begin()
        exchange = self._blocking.get(key)
        if exchange is None:
            exchange = self._blocking[key] = connect(self._address, name)
        try:
            with Patience(seconds + PATIENCE):
                [reply] = await exchange.ask(("BZPOPMIN", key, seconds))
            if isinstance(reply, Exception):
                raise reply
        except (TimeoutError, *_LOST) as error:
            self._blocking.pop(key, None)
            await _leave(exchange)
            raise self._error(error) from None
        except asyncio.CancelledError:
            self._blocking.pop(key, None)
            await _leave(exchange)
            raise

    @property
    def is_shut(self) -> bool:
        """Whether the breaker is open."""
        return self._breaker.is_open

    async def listen(self, streams: Mapping[str, str], seconds: float) -> None:
        """Return when one of the streams has an entry behind the one named, or after `seconds`, or for no reason."""
        if not streams or self._address.kind == "cluster":
            await asyncio.sleep(min(seconds, POLL))
            return
        block = max(round(seconds * 1000), 1)
        try:
            with Patience(seconds + PATIENCE):
                [reply] = await self._exchange.ask(
                    ("XREAD", "COUNT", 1, "BLOCK", block, "STREAMS", *streams, *streams.values())
                )
            if isinstance(reply, Exception):
                raise reply
        except (TimeoutError, *_LOST) as error:
            raise self._failed(error, undecided=False) from None

    async def scan_queues(self, prefix: str) -> set[str]:
        """Return the queues that have settings, found by a look at all keys.

        Where there are millions that takes seconds, and nobody waits for it: an answer has what was found by then.
        """
        await self._begin()
        if self._scan is None or (self._scan.done() and time.monotonic() >= self._scan_due):
            self._scan = asyncio.create_task(self._look_at_keys(prefix), name="toril-scan")
            self._scan.add_done_callback(lambda scan: scan.cancelled() or scan.exception())  # which nobody may await
        if not self._scan.done() and sum([await ask("DBSIZE") for ask in await self.nodes()]) <= FEW:
            await asyncio.shield(self._scan)  # others may wait for it, too
        return self._queues

    async def _look_at_keys(self, prefix: str) -> None:
        pattern, head, tail = f"{_escaped(prefix)}:*:meta", f"{prefix}:", ":meta"
        found: set[str] = set()
        for ask in await self.nodes():
            cursor = "0"
            while True:
                cursor, keys = await ask("SCAN", cursor, "MATCH", pattern, "COUNT", 500)
                names = (key.removeprefix(head).removesuffix(tail) for key in keys)
                found |= {name for name in names if name and ":" not in name}
                self._queues = self._queues | found
                if str(cursor) == "0":
                    break
                await asyncio.sleep(BREATH)
        self._queues, self._scan_due = found, time.monotonic() + SCAN

    async def nodes(self) -> list[Ask]:
        """Return for every master what sends it a command and returns the reply, in the time of one call each."""
        if self._address.kind != "cluster":
            return [self.call]
        await self._begin()
        return [partial(self._ask, master) for master in await self._within(self._exchange.masters())]

    async def _ask(self, master: Exchange, *command: Any) -> Any:
        [reply] = await self._within(master.ask(command))
        if isinstance(reply, Exception):
            raise self._error(reply)
        return reply

    async def _within(self, asking: Awaitable[T]) -> T:
        try:
            with Patience(LIMIT):
                return await asking
        except (TimeoutError, *_LOST) as error:
            raise self._failed(error, undecided=False) from None

    async def close(self) -> None:
        """Let go of all connections."""
        if self._life is not None:
            await self._life.aclose()
            self._life = None

    async def _begin(self) -> None:
        if self._life is None:
            self._life = self._live()
            await anext(self._life)

    async def _live(self) -> AsyncGenerator[None, None]:
        """Let go of all connections when this generator is closed: by `close`, or by the end of its event loop."""
        try:
            yield
        finally:
            if self._scan is not None:
                self._scan.cancel()
            for exchange in (self._exchange, *self._blocking.values()):
                await _leave(exchange)
            self._blocking.clear()

    def _failed(self, cause: BaseException | str, *, undecided: bool) -> StoreUnavailable | StoreRefused:
        self._breaker.failed()
        return self._error(cause, undecided=undecided)

    def _error(self, cause: BaseException | str, *, undecided: bool = False) -> StoreUnavailable | StoreRefused:
        text = str(cause) or type(cause).__name__
        if any(words in text for words in _REFUSED):
            return StoreRefused(f"{self._shown}: {text}")
        return StoreUnavailable(f"{self._shown}: {text}", undecided=undecided)


def _escaped(text: str) -> str:
    """Return text as a pattern of SCAN that matches it."""
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in text)


async def _leave(exchange: Exchange) -> None:
    try:
        await exchange.close()
    except (RuntimeError, *_LOST) as error:  # it was broken already
        STORE_IMPOLITE.raised(error)
