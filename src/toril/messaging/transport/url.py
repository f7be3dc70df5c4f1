"""A transport named by a URL."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from toril.errors import InvalidSettings
from toril.messaging.transport.base import Transport
from toril.messaging.transport.console import Console
from toril.messaging.transport.failover import Failover
from toril.messaging.transport.folder import Folder
from toril.messaging.transport.memory import Memory
from toril.messaging.transport.resend import Resend
from toril.messaging.transport.smtp import SMTP, Security

__all__ = ["transport_from_url"]

_SECURITY: dict[str, Security] = {"smtp": "none", "smtp+starttls": "starttls", "smtps": "tls"}
_KNOWN = "smtp://, smtp+starttls://, smtps://, resend://, file://, console:// or memory://"
_NEXT = re.compile(r"\s+(?=[a-z][a-z+]*:)")


def transport_from_url(url: str) -> Transport:
    """Return the transport that `url` names; of several URLs with spaces between them, their failover.

    - `smtp://host:25`, `smtp+starttls://user:password@host:587` (TLS required), `smtps://user:password@host:465`, user
      and password percent-encoded, with `?connections=10&subscribed=5&limit=120&cafile=/etc/ssl/our-ca.pem` if wanted
      (see SMTP)
    - `resend://:API_KEY@api.resend.com?connections=4&limit=30`
    - `file:///var/mail/out` or `file://out` (one `.eml` a mail), `console://`, `memory://`

    Raises InvalidSettings, which never quotes a password, and ConfigurationError if a package is missing.
    """
    urls = _NEXT.split(url.strip())
    return Failover(*map(_one, urls)) if len(urls) > 1 else _one(urls[0])


def _one(url: str) -> Transport:
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
        case "file":
            return _folder(parts)
        case "resend":
            return _resend(parts, port)
        case "smtp" | "smtp+starttls" | "smtps":
            return _smtp(parts, port)
    raise InvalidSettings(f"transport: expected {_KNOWN}, got {parts.scheme or 'no scheme'!r}")


def _smtp(parts: SplitResult, port: int | None) -> SMTP:
    if not parts.hostname or parts.path not in {"", "/"}:
        raise InvalidSettings(f"transport: expected {parts.scheme}://[user:password@]host[:port]")
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if (username is None) != (password is None):
        raise InvalidSettings("transport: expected both user and password (MAIL_USER and MAIL_PASSWORD), or neither")
    security = _SECURITY[parts.scheme]
    if password and security == "none" and not _is_local(parts.hostname):
        raise InvalidSettings(
            "transport: smtp:// would send the password in clear; use smtp+starttls:// or smtps:// (MAIL_PORT 587, 465)"
        )
    known: dict[str, Callable[[str, str], Any]] = {"connections": _number, "subscribed": _number, "limit": _number}
    if security != "none":
        known["cafile"] = _file
    options = _options(parts.query, known)
    return SMTP(parts.hostname, port, security=security, username=username, password=password, **options)


def _resend(parts: SplitResult, port: int | None) -> Resend:
    if not parts.hostname or not parts.password or parts.username or parts.path not in {"", "/"}:
        raise InvalidSettings("transport: expected resend://:API_KEY@api.resend.com")
    scheme = "http" if _is_local(parts.hostname) else "https"  # the key goes in clear to this machine only
    base = f"{scheme}://{parts.hostname}{f':{port}' if port else ''}"
    options = _options(parts.query, {"connections": _number, "limit": _number})
    return Resend(unquote(parts.password), base_url=base, **options)


def _folder(parts: SplitResult) -> Folder:
    path = unquote(f"{parts.netloc}{parts.path}")
    if not path.strip("/"):
        raise InvalidSettings("transport: expected a folder, as in file:///var/mail/out or file://out")
    return Folder(path)


def _options(query: str, known: dict[str, Callable[[str, str], Any]]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise InvalidSettings(f"transport: no option {name!r} (known: {', '.join(known)})")
        options[name] = known[name](name, value)
    return options


def _number(name: str, value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise InvalidSettings(f"transport: {name}: expected a whole number of 1 or more, got {value!r}")
    return int(value)


def _file(name: str, value: str) -> str:
    if not Path(value).is_file():
        raise InvalidSettings(f"transport: {name}: expected a file of certificates in PEM form, {value!r} is none")
    return value


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
