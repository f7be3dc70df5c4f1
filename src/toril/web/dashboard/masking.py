"""What is not to be seen on a screen: secrets by their name, and who a mail address belongs to."""

from __future__ import annotations

import json
import re
from typing import Any

from toril.secret import MASK, masked

__all__ = ["mask_address", "mask_json", "mask_line", "mask_text"]

_SECRET = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|api_?key|authori[sz]ation|cookie|credential|private_?key|cvv|cvc|pin$|iban"
    r"|card_?number|ssn",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"([\w.+-])[\w.+-]*@([\w-]+(?:\.[\w-]+)+)")


def mask_address(text: str) -> str:
    """Return text with each mail address reduced to its first letter and its domain."""
    return _ADDRESS.sub(r"\1•••@\2", text)


def mask_text(text: str | None) -> str:
    """Return a reason, a stack trace or a log line as it may be shown."""
    return mask_address(text or "")


def mask_line(text: str | None) -> str:
    """Return JSON text in one line, masked as by `mask_json`."""
    return mask_json(text, indent=None)


def mask_json(text: str | None, indent: int | None = 2) -> str:
    """Return JSON text, laid out to be read, with a mask for what its name calls secret, and addresses reduced."""
    if text is None:
        return ""
    try:
        value = json.loads(masked(text))
    except ValueError:  # somebody else wrote it
        return mask_address(text)
    return mask_address(json.dumps(_mask(value), indent=indent, ensure_ascii=False))


def _mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: MASK if _SECRET.search(key) and _tells(item) else _mask(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask(item) for item in value]
    return value


def _tells(value: Any) -> bool:
    """Return whether a value could be a secret: a flag or nothing is none."""
    return value is not None and not isinstance(value, bool)
