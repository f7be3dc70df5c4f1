"""The one encoder: RFC 8259 JSON and nothing else.

NaN, infinities and lone surrogates are refused at the caller: one such value in a result stops every Node
listener of a queue for good.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json

from toril.errors import InvalidData

__all__ = ["decode", "dump", "encode", "refuse_constants"]


def encode(value: object, what: str = "data") -> str:
    """Return `value` as JSON text; dates, models, UUIDs and the like become strings and objects.

    Raises InvalidData, which names the place (`data.items[3].price`) and what was found there.
    """
    try:
        text = to_json(value, inf_nan_mode="constants").decode()
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise InvalidData(_explain(value, what, str(error))) from None
    return refuse_constants(text, what)


def refuse_constants(text: str, what: str = "data") -> str:
    """Return `text` if no NaN or infinity stands in it as a bare word; raise InvalidData otherwise."""
    if "NaN" in text or "Infinity" in text:
        constants: list[str] = []

        def note(word: str) -> float:
            constants.append(word)
            return float(word)

        parsed = json.loads(text, parse_constant=note)
        if constants:
            raise InvalidData(_explain(parsed, what, f"{constants[0]} is not JSON"))
    return text


def decode(text: str | bytes) -> Any:
    """Return what JSON text stands for; raise ValueError if it is not JSON."""
    return from_json(text)


def dump(value: list[Any] | dict[str, Any]) -> str:
    """Return plain lists and dicts of our own as compact JSON text, unchecked."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _explain(value: object, what: str, otherwise: str) -> str:
    found = _culprit(value, what, 0)
    return found or f"{what}: expected JSON, {otherwise}"


def _culprit(value: object, path: str, depth: int) -> str | None:
    """Find the first place that JSON cannot hold; only walked once encoding has failed."""
    if depth > 50:  # noqa: PLR2004  (deeper than any sane job; a cycle ends here)
        return f"{path}: expected JSON, found a structure that contains itself or is too deep"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{path}: expected a finite number, found {value}"
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        return f"{path}: expected text, found a lone surrogate"
    if isinstance(value, Mapping):
        items = ((f"{path}.{key}", item) for key, item in value.items())
    elif isinstance(value, (list, tuple, set, frozenset)):
        items = ((f"{path}[{index}]", item) for index, item in enumerate(value))
    else:
        try:
            to_json(value)
        except (PydanticSerializationError, ValueError):
            return f"{path}: expected JSON, found {type(value).__name__}"
        return None
    return next((found for place, item in items if (found := _culprit(item, place, depth + 1))), None)
