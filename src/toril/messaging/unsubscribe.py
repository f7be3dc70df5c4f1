"""One click out of subscribed mail (RFC 8058): links that say who leaves what, and that only we can make or read."""

from __future__ import annotations

import json
from typing import NamedTuple
from urllib.parse import urlsplit

from toril.cipher import Cipher, UnknownKey
from toril.errors import ConfigurationError, InvalidMessage

__all__ = ["Leaving", "WayOut", "leave_headers"]


class Leaving(NamedTuple):
    """What a link asks for."""

    address: str
    category: str


def leave_headers(link: str) -> list[str]:
    """Return the headers by which mail programs offer a link's click."""
    return [f"List-Unsubscribe: <{link}>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click"]


class WayOut:
    """Makes the links and reads them.

    base: the https:// address of the page (see `Mailer.endpoints`), to which `?token=…` is added. A link holds
    address and category encrypted, so that it outlives the mail, and no server's log shows an address.
    """

    def __init__(self, base: str, cipher: Cipher) -> None:
        parts = urlsplit(base)
        if parts.scheme not in {"https", "http"} or not parts.netloc or parts.fragment or not base.isascii():
            raise ConfigurationError(f"unsubscribe_url: expected an absolute https:// address, got {base!r}")
        self._base, self._cipher = f"{base}{'&' if parts.query else '?'}token=", cipher

    def link(self, address: str, category: str) -> str:
        """Return the link for a recipient and a category."""
        return self._base + self._cipher.encrypt(json.dumps([address, category])).rstrip("=")

    def read(self, token: str) -> Leaving:
        """Return what a link's token asks for; raise InvalidMessage if it is none of ours."""
        try:
            address, category = json.loads(self._cipher.decrypt(token + "=" * (-len(token) % 4)))
        except (UnknownKey, ValueError):
            raise InvalidMessage("token: expected one that this application has made") from None
        return Leaving(address, category)
