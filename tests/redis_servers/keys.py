"""What tests do to all keys under a prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import redis

__all__ = ["forget", "fresh_prefix", "pass_time", "read", "read_all", "texts"]

_READ: dict[str, Callable[[redis.Redis, Any], Any]] = {
    "none": lambda client, key: None,
    "string": lambda client, key: client.get(key),
    "hash": lambda client, key: client.hgetall(key),
    "list": lambda client, key: client.lrange(key, 0, -1),
    "set": lambda client, key: sorted(client.smembers(key)),
    "zset": lambda client, key: dict(client.zrange(key, 0, -1, withscores=True)),
    "stream": lambda client, key: [fields for _, fields in client.xrange(key)],
}


def fresh_prefix() -> str:
    """Return a prefix that nobody else uses."""
    return f"t{uuid4().hex[:12]}"


def read_all(client: redis.Redis, prefix: str) -> dict[Any, Any]:
    """Return every key under a prefix with what it holds, as plain values."""
    found = {key: read(client, key) for key in sorted(client.scan_iter(f"{prefix}:*", 1_000))}
    return {key: value for key, value in found.items() if value is not None}


def read(client: redis.Redis, key: Any) -> Any:
    """Return what a key holds, as plain values; None: there is no such key."""
    kind = client.type(key)
    return _READ[kind.decode() if isinstance(kind, bytes) else kind](client, key)


def texts(value: Any) -> Iterator[bytes]:
    """Yield every text within what `read_all` returns for a client that does not decode."""
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from (*texts(key), *texts(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def forget(client: redis.Redis, prefix: str) -> None:
    """Delete every key under a prefix."""
    if keys := list(client.scan_iter(f"{prefix}:*", 1_000)):
        client.unlink(*keys)


def pass_time(client: redis.Redis, prefix: str, seconds: float) -> None:
    """Let every time to live under a prefix pass by `seconds`: what reaches 0 is gone."""
    keys = list(client.scan_iter(f"{prefix}:*", 1_000))
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.pttl(key)
        lives = pipe.execute()
        for key, life in zip(keys, lives, strict=True):
            left = life - round(seconds * 1_000)
            if life > 0 and left > 0:
                pipe.pexpire(key, left)
            elif life >= 0:
                pipe.delete(key)
        pipe.execute()
