"""What encrypts secret values at rest: Fernet, with keys that may be changed while old values are still about."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import SecretStr

from toril.errors import ConfigurationError, MissingExtra

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

__all__ = ["Cipher", "UnknownKey"]


class UnknownKey(ValueError):
    """The value was encrypted with a key that is not among TORIL_SECRET_KEYS any more, or it was damaged."""


class Cipher:
    """Encrypts with the first of `keys` and decrypts with any of them.

    purpose: what one purpose has encrypted, another does not decrypt. Raises ConfigurationError if there is no key,
    MissingExtra without the package `cryptography`.
    """

    __slots__ = ("_fernet", "_invalid")

    def __init__(self, keys: Sequence[SecretStr], purpose: str = "arguments") -> None:
        if not keys:
            raise ConfigurationError("a Secret needs a key to be encrypted with: set TORIL_SECRET_KEYS")
        try:
            from cryptography.fernet import InvalidToken, MultiFernet
        except ImportError:
            raise MissingExtra("Secret", "secrets") from None
        self._fernet = MultiFernet([_fernet(key.get_secret_value(), purpose) for key in keys])
        self._invalid = InvalidToken

    def __repr__(self) -> str:
        return "<Cipher>"

    def encrypt(self, text: str) -> str:
        """Return what `decrypt` makes `text` of again."""
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """Return what was encrypted; raise UnknownKey."""
        try:
            return self._fernet.decrypt(token).decode()
        except self._invalid:
            raise UnknownKey from None


def _fernet(key: str, purpose: str) -> Fernet:
    """Return the Fernet of a key of any form; its purpose goes in, so that no other use of the key shares it."""
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(SHA256(), length=32, salt=None, info=f"toril:{purpose}".encode()).derive(key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
