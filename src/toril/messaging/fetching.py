"""Reads a link that a caller named, and nothing that only this machine may see.

The name is resolved here and the connection goes to the address that was checked, so a second answer of DNS changes
nothing; redirects are not followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import urlsplit

import httpcore

from toril.errors import InvalidMessage

__all__ = ["fetch"]

_LIMIT = 10.0  # seconds
_OK = 200


async def fetch(url: str, field: str, limit: int, private_hosts: Collection[str] = ()) -> bytes:
    """Return up to `limit` + 1 bytes of what lies at an https:// link.

    A host of `private_hosts` may have an address that is not public, and be asked by http:// too. Raises
    InvalidMessage, which names `field` and the host but not the link: it may let its reader in.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidMessage(f"{field}: expected an https:// link") from None
    private = host in private_hosts
    if parts.scheme != "https" and not (parts.scheme == "http" and private):
        raise InvalidMessage(f"{field}: expected an https:// link, got {parts.scheme}://")
    if not host or parts.username or not url.isascii() or any(char.isspace() for char in url):
        raise InvalidMessage(f"{field}: expected an https:// link without a login, spaces percent-encoded")
    try:
        async with asyncio.timeout(_LIMIT), httpcore.AsyncConnectionPool(network_backend=_Guarded(private)) as pool:
            return await _read(pool, url, field, limit)
    except TimeoutError:
        raise InvalidMessage(f"{field}: {host} did not answer within {_LIMIT:g} s") from None
    except _NotPublic:
        raise InvalidMessage(f"{field}: {host} is not a public address (see private_hosts)") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
        raise InvalidMessage(f"{field}: {host} could not be read: {type(error).__name__}") from None


async def _read(pool: httpcore.AsyncConnectionPool, url: str, field: str, limit: int) -> bytes:
    async with pool.stream("GET", url, headers=[(b"Accept", b"*/*"), (b"User-Agent", b"toril")]) as response:
        if response.status != _OK:
            raise InvalidMessage(f"{field}: expected 200 from its server, got {response.status}")
        content = b""
        async for chunk in response.aiter_stream():
            content += chunk
            if len(content) > limit:
                break
        return content


class _NotPublic(Exception):
    """The name leads into a network that only this machine may see."""


class _Guarded(httpcore.AsyncNetworkBackend):
    """Connects to the address that was checked."""

    def __init__(self, private: bool) -> None:
        self._private = private
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if not self._private and not all(_is_public(address) for address in addresses):
            raise _NotPublic
        return await self._backend.connect_tcp(addresses[0], port, timeout, local_address, socket_options)


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_global and not (mapped or address).is_multicast
