"""What is in Redis under a test's prefix, as it lies there or fit to be compared."""

from __future__ import annotations

from typing import Any

import redis
from dumps import Dump, dump, lines, normal

from redis_servers import read

__all__ = ["Keys"]


class Keys:
    """What is in Redis under the test's prefix."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self.client, self.prefix = client, prefix

    def dump(self, queue: str) -> Dump:
        """Return a queue's key space, fit to be compared."""
        return normal(dump(self.client, self.prefix, queue), self.prefix)

    def raw(self, queue: str, name: str) -> Any:
        """Return what one key of a queue holds, as it lies there."""
        return read(self.client, f"{self.prefix}:{queue}:{name}")

    def names(self, queue: str) -> set[str]:
        """Return the names of all keys of a queue but those that only tell how often somebody looked."""
        return set(dump(self.client, self.prefix, queue)) - {"id", "stalled-check"}

    def __call__(self, queue: str, name: str) -> Any:
        """Return what one key of a queue holds, fit to be compared; None: there is no such key."""
        return self.dump(queue).get(name)

    def raw_events(self, queue: str) -> list[str]:
        """Return a queue's events as they lie there, one line each."""
        return lines(self.raw(queue, "events") or [])

    def events(self, queue: str) -> list[str]:
        """Return a queue's events, one line each."""
        return lines(self(queue, "events") or [])
