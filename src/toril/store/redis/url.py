"""Where a Redis is: one server, a set under Sentinels, or a Cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from toril.errors import InvalidStoreURL

__all__ = ["SCHEMES", "Address"]

SCHEMES = ("redis", "rediss", "redis+unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
_PORTS = {"sentinel": 26379, "": 6379, "cluster": 6379}
_OPTIONS = {"cafile", "certfile", "keyfile", "sentinel_username", "sentinel_password"}


@dataclass(frozen=True)
class Address:
    """What a URL says.

    `redis://[user:password@]host[:port][/db]`, `rediss://…` with TLS (`?cafile=ca.pem`, `&certfile=…&keyfile=…` for a
    client's own certificate), `redis+unix:///run/redis.sock[?db=1]`, `redis+sentinel://host:26379,host2/service[/db]`,
    `redis+cluster://host:port,host2:port`; with `rediss+` both with TLS.
    """

    kind: str  # "", unix, sentinel, cluster
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    db: int = 0
    tls: bool = False
    username: str | None = None
    password: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, url: str, shown: str) -> Address:
        """Read a URL; raise InvalidStoreURL with `shown` in place of the URL."""
        try:
            return _parse(url)
        except ValueError as error:
            raise InvalidStoreURL(f"{shown}: {error}") from None

    def connection(self) -> dict[str, Any]:
        """Return what redis-py's connections take."""
        options: dict[str, Any] = {"db": self.db, "username": self.username, "password": self.password}
        if self.tls:
            options |= {"ssl": True, "ssl_check_hostname": True}
            words = {"cafile": "ssl_ca_certs", "certfile": "ssl_certfile", "keyfile": "ssl_keyfile"}
            options |= {words[name]: value for name, value in self.options.items() if name in words}
        return options


def _parse(url: str) -> Address:
    parts = urlsplit(url)
    scheme, _, kind = parts.scheme.partition("+")
    login, _, places = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    query = _options(parts.query, {"db"} if kind == "unix" else set())
    common: dict[str, Any] = {
        "tls": scheme == "rediss",
        "username": unquote(user) or None,
        "password": unquote(password) or None,
    }
    path = parts.path.strip("/")
    if kind == "unix":
        db = query.pop("db", "0")
        if not path:
            raise ValueError("expected a path, such as redis+unix:///run/redis.sock")
        return Address(kind, path=unquote(parts.path), db=_database(db), options=query, **common)
    hosts = tuple(_place(place, _PORTS[kind]) for place in places.split(","))
    if kind == "cluster":
        if path:
            raise ValueError("a Cluster has no databases, expected nothing behind the hosts")
        return Address(kind, hosts, options=query, **common)
    service = ""
    if kind == "sentinel":
        service, _, path = path.partition("/")
        if not service:
            raise ValueError("expected redis+sentinel://host:port,…/service[/db]")
    elif len(hosts) > 1:
        raise ValueError("expected one host; several belong to redis+sentinel:// or redis+cluster://")
    return Address(kind, hosts, service=service, db=_database(path or "0"), options=query, **common)


def _options(text: str, more: set[str]) -> dict[str, str]:
    """Return the options of a URL; `more` are known beside those of all."""
    options = dict(parse_qsl(text, keep_blank_values=True))
    if unknown := sorted(set(options) - _OPTIONS - more):
        raise ValueError(f"no option {unknown[0]!r} (known: {', '.join(sorted(_OPTIONS | more))})")
    for name, file in options.items():
        if name.endswith("file") and not Path(file).is_file():
            raise ValueError(f"{name}: expected a file, there is none at {file}")
    return options


def _database(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"expected the number of a database, got {text!r}")
    return int(text)


def _place(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("expected a host name")
    return parts.hostname, parts.port or port
