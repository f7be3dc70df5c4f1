"""Clients of redis-py for each kind of address."""

from __future__ import annotations

from typing import Any

import redis.asyncio as redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelManagedConnection, SentinelManagedSSLConnection
from redis.backoff import NoBackoff

from toril.store.redis.patience import LIMIT
from toril.store.redis.url import Address

__all__ = ["connect"]


def connect(address: Address, name: str | None = None) -> Any:
    """Return a client of redis-py for an address, without connecting; `name` is shown in CLIENT LIST."""
    options: dict[str, Any] = address.connection() | {
        "decode_responses": True,
        "encoding_errors": "replace",
        "socket_connect_timeout": 2 * LIMIT,  # ours comes first: it knows when the loop stood still
        "socket_timeout": None,  # each call has a limit of its own
        "client_name": name,
        "protocol": 2,
    }
    if address.kind == "cluster":
        del options["db"]
        nodes = [ClusterNode(host, port) for host, port in address.hosts]
        return RedisCluster(startup_nodes=nodes, **options)
    options["retry"] = Retry(NoBackoff(), 0)
    if address.kind == "sentinel":
        return _under_sentinels(address, options)
    secure = options.pop("ssl", False)
    if address.kind == "unix":
        pool = redis.ConnectionPool(connection_class=redis.UnixDomainSocketConnection, path=address.path, **options)
    else:
        [(host, port)] = address.hosts
        pool = redis.ConnectionPool(
            connection_class=redis.SSLConnection if secure else redis.Connection, host=host, port=port, **options
        )
    return redis.Redis.from_pool(pool)


def _under_sentinels(address: Address, options: dict[str, Any]) -> Any:
    login = {name.removeprefix("sentinel_"): value for name, value in address.options.items() if "sentinel_" in name}
    tls = {name: value for name, value in options.items() if name.startswith("ssl")}
    watchers = {"socket_connect_timeout": LIMIT, "socket_timeout": LIMIT, **login, **tls}
    secure = options.pop("ssl", False)
    sentinel = Sentinel(address.hosts, sentinel_kwargs=watchers, **options)  # type: ignore[no-untyped-call]
    return sentinel.master_for(
        address.service, connection_class=SentinelManagedSSLConnection if secure else SentinelManagedConnection
    )
