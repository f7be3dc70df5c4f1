"""A transport named by a URL."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from toril.errors import InvalidSettings
from toril.messaging.transport.base import Transport
from toril.messaging.transport.console import Console
from toril.messaging.transport.memory import Memory
from toril.messaging.transport.smtp import SMTP, Security

__all__ = ["transport_from_url"]

_SECURITY: dict[str, Security] = {"smtp": "none", "smtp+starttls": "starttls", "smtps": "tls"}
_KNOWN = "smtp://, smtp+starttls://, smtps://, console:// or memory://"


def transport_from_url(url: str) -> Transport:
    """Return the transport that `url` names.

    `smtp://host:25`, `smtp+starttls://user:password@host:587` (TLS required), `smtps://user:password@host:465`,
    with `?connections=10&limit=120` if wanted; user and password percent-encoded; `console://`, `memory://`.
    Raises InvalidSettings, which never quotes the password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidSettings("transport: expected a URL with a port from 1 to 65535") from None
    match parts.scheme:
        case "console":
            return Console()
        case "memory":
            return Memory()
        case "smtp" | "smtp+starttls" | "smtps":
            return _smtp(parts, port)
    raise InvalidSettings(f"transport: expected {_KNOWN}, got {parts.scheme or 'no scheme'!r}")


def _smtp(parts: SplitResult, port: int | None) -> SMTP:
    if not parts.hostname or parts.path not in {"", "/"}:
        raise InvalidSettings(f"transport: expected {parts.scheme}://[user:password@]host[:port]")
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if (username is None) != (password is None):
        raise InvalidSettings("transport: expected both user and password, or neither")
    security = _SECURITY[parts.scheme]
    if password and security == "none" and not _is_local(parts.hostname):
        raise InvalidSettings("transport: smtp:// would send the password in clear; use smtp+starttls:// or smtps://")
    return SMTP(parts.hostname, port, security=security, username=username, password=password, **_options(parts.query))


def _options(query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in {"connections", "limit"}:
            raise InvalidSettings(f"transport: no option {name!r} (known: connections, limit)")
        if not value.isdecimal() or int(value) < 1:
            raise InvalidSettings(f"transport: {name}: expected a whole number of 1 or more, got {value!r}")
        options[name] = int(value)
    return options


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
