"""Connections of redis-py for each kind of address."""

from __future__ import annotations

from typing import Any

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelManagedConnection, SentinelManagedSSLConnection
from redis.backoff import NoBackoff

from toril.store.redis.clustered import Clustered
from toril.store.redis.exchange import Direct, Exchange
from toril.store.redis.patience import LIMIT, SILENCE
from toril.store.redis.url import Address

__all__ = ["connect"]


def connect(address: Address, name: str | None = None) -> Exchange:
    """Return what sends commands to an address, without connecting; `name` is shown in CLIENT LIST."""
    options: dict[str, Any] = address.connection() | {
        "decode_responses": True,
        "encoding_errors": "replace",
        "socket_connect_timeout": 2 * LIMIT,  # ours comes first: it knows when the loop stood still
        "socket_timeout": None,  # each call has a limit of its own
        "client_name": name,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
    }
    if address.kind == "sentinel":
        return Direct(_under_sentinels(address, options))
    secure = options.pop("ssl", False)
    if address.kind == "unix":
        return Direct(_pooled(redis.UnixDomainSocketConnection, path=address.path, **options))
    kind = redis.SSLConnection if secure else redis.Connection

    def line(place: tuple[str, int]) -> Direct:
        host, port = place
        return Direct(_pooled(kind, host=host, port=port, **options))

    return Clustered(address.hosts, line) if address.kind == "cluster" else line(address.hosts[0])


def _pooled(kind: Any, **options: Any) -> redis.Redis:
    return redis.Redis.from_pool(redis.ConnectionPool(connection_class=kind, **options))


def _under_sentinels(address: Address, options: dict[str, Any]) -> Any:
    login = {name.removeprefix("sentinel_"): value for name, value in address.options.items() if "sentinel_" in name}
    tls = {name: value for name, value in options.items() if name.startswith("ssl")}
    hasty = {"socket_connect_timeout": SILENCE, "socket_timeout": SILENCE, "retry": Retry(NoBackoff(), 0)}
    secure = options.pop("ssl", False)
    sentinel = Sentinel(address.hosts, sentinel_kwargs={**hasty, **login, **tls}, **options)  # type: ignore[no-untyped-call]
    return sentinel.master_for(
        address.service, connection_class=SentinelManagedSSLConnection if secure else SentinelManagedConnection
    )
