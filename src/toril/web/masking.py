"""What is shown of data and texts: secrets to nobody, personal data to those who may change things."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from toril.json import decode
from toril.masking import without_people, without_secrets
from toril.secret import MASK, masked
from toril.web.auth import Principal, Role

__all__ = ["shown_data", "shown_text", "unmasked"]

_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|api_?key|private_?key|authorization|cookie|credential|card_?number|cvv|\bpin$",
    re.IGNORECASE,
)


def shown_data(text: str | None, who: Principal) -> Any:
    """Return JSON of a job (data, result, progress) as `who` may see it; text that is no JSON stays text."""
    if text is None:
        return None
    try:
        value = decode(masked(text))
    except ValueError:  # somebody else wrote it
        return shown_text(text, who)
    return _masked(value, who)


def shown_text(text: str, who: Principal) -> str:
    """Return a reason, a stack trace or a log line as `who` may see it."""
    return without_secrets(text) if who.may(Role.ADMIN) else without_people(text)


def unmasked(value: Any, stored: Any) -> Any:
    """Return data that came back from a form, with what is stored in the place of each mask."""
    if value == MASK:
        return stored
    if isinstance(value, dict) and isinstance(stored, dict):
        return {key: unmasked(item, stored.get(key, item)) for key, item in value.items()}
    if isinstance(value, list) and isinstance(stored, list) and len(value) == len(stored):
        return [unmasked(item, old) for item, old in zip(value, stored, strict=True)]
    return value


@lru_cache(1_000)
def _is_secret(key: str) -> bool:
    """Return whether the name of a field says that its value is secret; the jobs of a page have the same few names."""
    return _SECRET_NAME.search(key) is not None


def _masked(value: Any, who: Principal) -> Any:
    if isinstance(value, dict):
        return {
            key: MASK if _is_secret(key) and item not in (None, "") and not isinstance(item, (dict, list))
            else _masked(item, who)
            for key, item in value.items()
        }  # fmt: skip
    if isinstance(value, list):
        return [_masked(item, who) for item in value]
    return shown_text(value, who) if isinstance(value, str) else value
