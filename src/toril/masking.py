"""What must not be read in a text by everybody: logins, passwords and tokens, and people's addresses."""

from __future__ import annotations

import re

from toril.secret import MASK

__all__ = ["without_people", "without_secrets"]

_SECRET = re.compile(r"""(?i)((?:password|passwd|secret|token|api_?key)["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s&,;]+)""")
_CLOSING = ")]}>"  # of what the secret stands in
_LOGIN = re.compile(r"(\w+://[^\s:/@]*:)[^\s@/]+@")  # scheme://user:password@
_ADDRESS = re.compile(r"\b([\w.+-])[\w.+-]*@([\w-]+(?:\.[\w-]+)+)")


def without_secrets(text: str) -> str:
    """Return a text with a mask in the place of what looks like a secret."""
    if ":" not in text and "=" not in text:  # a page has thousands of short texts
        return text
    return _LOGIN.sub(rf"\1{MASK}@", _SECRET.sub(_without_value, text))


def _without_value(found: re.Match[str]) -> str:
    name, value = found.groups()
    left = value.rstrip(_CLOSING)
    return f"{name}{MASK}{value[len(left) :]}" if left else found[0]


def without_people(text: str) -> str:
    """Return a text without secrets, and with e-mail addresses as `a***@example.com`: for logs and traces."""
    text = without_secrets(text)
    return _ADDRESS.sub(r"\1***@\2", text) if "@" in text else text
