"""What the operator of a Redis should know: whether it can lose jobs, who reaches it, how it stands."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from toril.errors import StoreError, StoreRefused
from toril.finding import Finding
from toril.store.redis.client import Client
from toril.store.redis.guests import guests
from toril.store.redis.url import Address

__all__ = ["examine", "foreign_workers"]

Ask = Callable[..., Awaitable[Any]]
RECOMMENDED = (6, 2)  # of Redis: BullMQ's own advice
SKEW = 1.0  # seconds that two clocks may differ
FULL = 0.8  # of the memory limit
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


async def examine(client: Client, address: Address) -> list[Finding]:
    """Look at every server that holds jobs; raise StoreUnavailable, StoreRefused."""
    found: list[Finding] = []
    for ask in await client.nodes():
        began = time.time()
        seconds, micro = await ask("TIME")
        between = (began + time.time()) / 2
        info = _mapping(await ask("INFO", "everything"))
        found += [
            _version(info),
            _eviction(info),
            await _persistence(ask, info),
            _clock(int(seconds) + int(micro) / 1_000_000 - between),
            await _access(ask, address),
        ]
    return found


async def foreign_workers(client: Client, prefix: str, queue: str) -> Finding:
    """Look for workers of a queue beside our own."""
    part = f"workers of {queue}"
    try:
        serving = sum(worker.nodes for worker in await guests(client, prefix) if queue in worker.info.queues)
    except (StoreRefused, StoreError) as error:
        return Finding(part, "unknown", str(error), "CLIENT LIST is not allowed: see that no Node worker serves it")
    if serving:
        return Finding(part, "wrong", f"{serving} beside Toril's", "no Node worker may serve a queue of mails")
    return Finding(part, "ok", "Toril's alone")


def _version(info: Mapping[str, Any]) -> Finding:
    text = str(info["redis_version"])
    parts = tuple(int(part) for part in text.split(".")[:2])
    if parts < RECOMMENDED:
        return Finding(
            "server", "wrong", f"Redis {text}", "take 6.2 or newer: BullMQ advises so, and Toril is tested there"
        )
    return Finding("server", "ok", f"Redis {text}")


def _eviction(info: Mapping[str, Any]) -> Finding:
    policy, limit, used = info.get("maxmemory_policy"), int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if int(info.get("evicted_keys", 0)):
        advice = "jobs may be among them: set maxmemory-policy noeviction, and give the cache a Redis of its own"
        return Finding("memory", "wrong", f"{info['evicted_keys']} keys were evicted ({policy})", advice)
    if policy is None:
        return Finding(
            "memory", "unknown", "the server does not tell its maxmemory-policy", "see that it is noeviction"
        )
    if policy != "noeviction":
        advice = "CONFIG SET maxmemory-policy noeviction: a full server must refuse jobs, not drop them"
        return Finding("memory", "wrong", f"maxmemory-policy {policy}", advice)
    if limit and used > FULL * limit:
        advice = "adding jobs fails when it is full: raise maxmemory, or keep fewer finished jobs"
        return Finding("memory", "wrong", f"{used / limit:.0%} of maxmemory are used", advice)
    return Finding("memory", "ok", "noeviction")


async def _persistence(ask: Ask, info: Mapping[str, Any]) -> Finding:
    for name in ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status"):
        if info.get(name, "ok") != "ok":
            return Finding("persistence", "wrong", f"{name}: {info[name]}", "the disk is full or cannot be written")
    if int(info.get("aof_enabled", 0)):
        return Finding("persistence", "ok", "append-only file")
    save = await _config(ask, "save")
    if save is None:
        advice = "CONFIG is not allowed here: see that appendonly is yes"
        return Finding("persistence", "unknown", "no append-only file; snapshots: not told", advice)
    if not save:
        advice = "a restart loses every job: set appendonly yes"
        return Finding("persistence", "wrong", "neither append-only file nor snapshots", advice)
    return Finding("persistence", "ok", f"snapshots alone (save {save}): a crash loses what came since the last one")


def _clock(skew: float) -> Finding:
    if abs(skew) > SKEW:
        advice = "delays and schedules are off by as much: run NTP on both machines"
        return Finding("clock", "wrong", f"the server's is {skew:+.1f} s from this machine's", advice)
    return Finding("clock", "ok", f"the server's is {skew:+.2f} s from this machine's")


async def _access(ask: Ask, address: Address) -> Finding:
    if address.kind == "unix":
        return Finding("access", "ok", "a socket of this machine")
    bind, protected = await _config(ask, "bind"), await _config(ask, "protected-mode")
    if bind is None:
        outside = any(host not in LOOPBACK for host, _ in address.hosts)
    else:
        outside = not bind or any(place.lstrip("-") not in LOOPBACK for place in bind.split())
    if not outside:
        return Finding("access", "ok", "this machine alone")
    if not address.password and protected != "yes":
        advice = "whoever reaches it can run commands: bind it to 127.0.0.1, or set a password and TLS"
        return Finding("access", "wrong", "reachable from outside without a password", advice)
    if not address.tls and address.password:
        advice = "password and jobs go in clear: use rediss://, or bind it to 127.0.0.1"
        return Finding("access", "wrong", "reachable from outside without TLS", advice)
    return Finding("access", "ok", "TLS" if address.tls else "protected-mode refuses others")


async def _config(ask: Ask, name: str) -> str | None:
    """Return a value of the configuration; None if we may not read it, as on most hosted servers."""
    try:
        return str(_mapping(await ask("CONFIG", "GET", name)).get(name, ""))
    except (StoreRefused, StoreError):
        return None


def _mapping(reply: Any) -> Mapping[str, Any]:
    """Return a reply as a mapping; redis-py makes one of some by itself."""
    if isinstance(reply, Mapping):
        return reply
    if isinstance(reply, str):
        return dict(line.split(":", 1) for line in reply.splitlines() if ":" in line)
    return dict(zip(reply[::2], reply[1::2], strict=True))
