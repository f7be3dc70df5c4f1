"""The keys of the settings, each use of them apart: secret fields, unsubscribe links, what tells contents apart."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from functools import cached_property

from pydantic import SecretStr

from toril.cipher import Cipher

__all__ = ["Keys"]


class Keys:
    """Made of TORIL_SECRET_KEYS: the first encrypts, all of them decrypt. Without one, what needs it is refused."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._keys = keys

    @cached_property
    def fields(self) -> Cipher:
        """What secret fields are kept with; raise ConfigurationError if there is no key."""
        return Cipher(self._keys, "mail")

    @cached_property
    def links(self) -> Cipher | None:
        """What unsubscribe links are made with; None if there is no key."""
        return Cipher(self._keys, "unsubscribe") if self._keys else None

    def digest(self, text: str) -> str:
        """Return what tells `text` from another and says nothing of it: under a key, for it may hold short codes."""
        return _digest(self._keys[0].get_secret_value() if self._keys else "", text)

    def is_digest(self, digest: str, text: str) -> bool:
        """Return whether `digest` was made of `text`, under whichever of the keys."""
        keys = ["", *(key.get_secret_value() for key in self._keys)]
        return any(hmac.compare_digest(digest, _digest(key, text)) for key in keys)


def _digest(key: str, text: str) -> str:
    return hmac.digest(f"toril:digest:{key}".encode(), text.encode(), hashlib.sha256).hex()
