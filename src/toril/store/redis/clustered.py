"""Commands to a Cluster: to the node that serves their slot, as the nodes tell.

redis-py's own client repeats a command whose reply was lost, and so would add a job twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from redis import exceptions
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from toril.store.redis.exchange import Command, Direct
from toril.store.redis.patience import SILENCE, Patience

__all__ = ["Clustered"]

PAUSE = 0.05  # seconds between tries while a slot moves or its master is being replaced
_AGAIN = (exceptions.AskError, exceptions.TryAgainError, exceptions.ClusterDownError)  # nothing was carried out

Place = tuple[str, int]


class Clustered:
    """Several servers, of which each slot has one.

    seeds: nodes to begin with. line: makes the connections to a node.
    """

    def __init__(self, seeds: Sequence[Place], line: Callable[[Place], Direct]) -> None:
        self._line = line
        self._lines: dict[Place, Direct] = {}
        self._nodes = list(seeds)  # in the order in which they are asked
        self._served: list[Place | None] = [None] * REDIS_CLUSTER_HASH_SLOTS  # by whom
        self._learning = asyncio.Lock()

    async def ask(self, *commands: Command) -> list[Any]:
        """See Exchange.ask. Goes where the first command's key lies; without one, to a node that answers."""
        key = _key(commands[0])
        slot, redirected, pause = None if key is None else key_slot(key), None, 0.0
        while True:
            place = redirected or await self._server(slot)
            asking: list[Command] = [("ASKING",)] if redirected else []
            try:
                replies = await self._to(place).ask(*asking, *commands)
            except BaseException:  # another may serve it now
                self._suspect(place)
                raise
            replies = replies[len(asking) :]
            refused = next((reply for reply in replies if isinstance(reply, _AGAIN)), None)
            if refused is None:
                return replies
            redirected = None
            if isinstance(refused, exceptions.MovedError) and slot is not None:
                self._served[slot] = refused.host or place[0], refused.port
            elif isinstance(refused, exceptions.AskError):
                redirected = refused.host or place[0], refused.port
            else:
                pause = PAUSE
            await asyncio.sleep(pause)
            pause = PAUSE  # of nodes that send to each other

    async def masters(self) -> Sequence[Direct]:
        """Return the connections to every node that serves a slot."""
        async with self._learning:
            if None in self._served:
                await self._learn()
        return [self._to(place) for place in dict.fromkeys(self._served) if place is not None]

    async def close(self) -> None:
        """See Exchange.close."""
        for line in self._lines.values():
            await line.close()

    def _to(self, place: Place) -> Direct:
        if place not in self._lines:
            self._lines[place] = self._line(place)
        return self._lines[place]

    def _suspect(self, place: Place) -> None:
        self._nodes = [*(node for node in self._nodes if node != place), place]
        self._served = [None if server == place else server for server in self._served]

    async def _server(self, slot: int | None) -> Place:
        if slot is None:
            await self._server(0)
            return self._nodes[0]
        if (place := self._served[slot]) is not None:
            return place
        async with self._learning:
            if self._served[slot] is None:
                await self._learn()
        if (place := self._served[slot]) is None:
            raise exceptions.ConnectionError(f"no node of the Cluster serves slot {slot}")
        return place

    async def _learn(self) -> None:
        """Ask one node after the other who serves what, until one answers."""
        problem: Exception | None = None
        for place in self._nodes:
            try:
                with Patience(SILENCE):
                    [told] = await self._to(place).ask(("CLUSTER", "SLOTS"))
            except (TimeoutError, exceptions.RedisError, OSError) as error:
                problem = error
                continue
            if isinstance(told, Exception):
                raise told
            self._hear(place, told)
            return
        raise exceptions.ConnectionError(f"no node of the Cluster answers: {problem or 'in time'}")

    def _hear(self, place: Place, told: Sequence[Any]) -> None:
        served: list[Place | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        nodes = [place, *self._nodes]
        for first, last, *servers in told:
            places = [(host if host not in {"", None, "?"} else place[0], port) for host, port, *_ in servers]
            served[first : last + 1] = [places[0]] * (last + 1 - first)
            nodes += places
        self._served, self._nodes = served, list(dict.fromkeys(nodes))


def _key(command: Command) -> bytes | None:
    """Return a command's first key."""
    match command:
        case ("INFO", *_):
            return None
        case ("EVALSHA" | "EVAL", _, _, key, *_) | ("XINFO", _, key) | (_, key, *_):
            return str(key).encode()
    return None
