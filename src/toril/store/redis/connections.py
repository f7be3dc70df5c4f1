"""How a store reaches Redis: connections by event loop, scripts by name, queues that may be used."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from toril.clock import Clock, SystemClock
from toril.store.redis import looking, workers
from toril.store.redis.client import LIMIT, Client
from toril.store.redis.ears import Ears
from toril.store.redis.keys import names_for
from toril.store.redis.scheduling import Schedules
from toril.store.redis.scripts import script
from toril.store.redis.url import Address
from toril.store.redis.wire import refuse_foreign

__all__ = ["Connections"]


class Connections:
    """Nothing is opened before the first use; each event loop has connections of its own.

    shown: the URL without its password. replicas: how many must have an add before it is acknowledged; None: one if
    Sentinels watch the server, for a failover forgets what was not replicated; else none.
    """

    remote = True
    largest = 2**53 - 1  # Node's

    def __init__(self, url: str, shown: str, prefix: str, clock: Clock, replicas: int | None = None) -> None:
        self._address = Address.parse(url, shown)
        self._replicas = replicas if replicas is not None else int(self._address.kind == "sentinel")
        self._shown = shown
        tagged = self._address.kind != "cluster" or prefix.startswith("{")
        self._prefix = prefix if tagged else f"{{{prefix}}}"  # a script reaches several queues: all in one slot
        self._clock = clock
        self._own_time = type(clock) is SystemClock
        self._clients: dict[asyncio.AbstractEventLoop, Client] = {}
        self._hearing: dict[asyncio.AbstractEventLoop, Ears] = {}
        self._workers: dict[str, workers.Enrolled] = {}
        self._fit = False  # the server is one that can be used
        self._known: set[str] = set()  # queues that may be used, and that the registry has
        self._schedules = Schedules(self._script, clock.now)

    async def open(self) -> None:
        """See Store.open."""
        await looking.check_server(self._client(), self._shown)
        self._fit = True

    async def close(self) -> None:
        """See Store.close. Connections of other loops, such as that of blocking calls, are closed where they live."""
        here = asyncio.get_running_loop()
        hearing, clients, self._hearing, self._clients = self._hearing, self._clients, {}, {}
        for loop, client in clients.items():
            ends = [hearing[loop].close()] if loop in hearing else []
            for end in (*ends, client.close()):
                if loop is here:
                    await end
                elif loop.is_running():
                    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(end, loop))
                else:
                    end.close()

    def forget(self) -> None:
        """See Store.forget."""
        self._clients, self._hearing, self._workers = {}, {}, {}

    def _client(self) -> Client:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            for old in [old for old in self._clients if old.is_closed()]:
                self._clients.pop(old, None)
                self._hearing.pop(old, None)
            client = self._clients[loop] = Client(self._address, self._shown)
        return client

    def _ears(self) -> Ears:
        loop = asyncio.get_running_loop()
        if loop not in self._hearing:
            self._hearing[loop] = Ears(self._client, self._prefix)
        return self._hearing[loop]

    @property
    def _now(self) -> int | str:
        """What scripts take for the time: the server's own, unless a test moves a clock."""
        return "" if self._own_time else self._clock.now()

    async def _script(self, name: str, queue: str, arguments: Sequence[Any], limit: float | None = LIMIT) -> Any:
        keys = names_for(self._prefix, queue).pair
        return await self._client().run(script(name), keys, (self._now, *arguments), limit)

    async def _admit(self, queues: set[str]) -> None:
        """See that this process may use queues, before it writes to them for the first time; raise StoreRefused."""
        if not (new := queues - self._known):
            return
        if not self._fit:  # it did not answer when the store was opened
            await self.open()
        for names in (names_for(self._prefix, queue) for queue in new):
            refuse_foreign(names.queue, names.base, await self._script("wire", names.queue, ()))
        await self._client().run(script("admit"), [f"{self._prefix}::toril:queues"], [*new])
        self._known |= new
