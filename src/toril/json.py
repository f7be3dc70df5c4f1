"""The one encoder: RFC 8259 JSON and nothing else.

NaN, infinities and lone surrogates are refused at the caller: one such value in a result stops every Node
listener of a queue for good. So is what a reader would find changed: a NaN that became null, a secret that became
stars, a structure too deep to be read again.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic_core import PydanticSerializationError, from_json, to_json

from toril.errors import InvalidData

__all__ = ["check", "check_integers", "clean", "clip", "decode", "decode_or", "dump", "encode", "invalid"]

LONG = 8_192  # bytes of a log line or a reason that are kept

DEEPEST = 200  # levels that our own reader takes
_LONG = 16  # digits of 2^53
_DIGIT, _LONG_NUMBER = re.compile(r"\d"), re.compile(rf"\d{{{_LONG}}}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_STARS = "**********"  # what pydantic writes for a secret


def encode(value: object, what: str = "data") -> str:
    """Return `value` as JSON text; dates, models, UUIDs and the like become strings and objects.

    Raises InvalidData, which names the place (`data.items[3].price`) and what was found there.
    """
    try:
        text = to_json(value, inf_nan_mode="constants").decode()
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise invalid(value, what, str(error)) from None
    return check(text, value, what)


def check(text: str, value: object, what: str) -> str:
    """Return `text`, made from `value`, if it is JSON and says what the value says; raise InvalidData otherwise."""
    if ("NaN" in text or "Infinity" in text) and _has_constant(text):
        raise invalid(value, what, "found NaN or an infinity")
    if ("null" in text or _STARS in text) and not _is_plain(value) and (found := _culprit(value, what)):
        raise InvalidData(found)
    if len(text) > 2 * DEEPEST and text.count("[") + text.count("{") > DEEPEST:
        try:
            from_json(text)
        except ValueError as error:
            raise invalid(value, what, str(error)) from None
    return text


def invalid(value: object, what: str, otherwise: str) -> InvalidData:
    """Return the error for a value that is not JSON; `otherwise` says why if no place in it can be named."""
    return InvalidData(_culprit(value, what) or f"{what}: expected JSON, {' '.join(otherwise.split())}")


def check_integers(text: str, largest: int | None, what: str) -> str:
    """Return JSON text if no whole number in it is beyond ±`largest`; raise InvalidData, which names the place."""
    if largest is None or not _DIGIT.search(text[::_LONG]) or not _LONG_NUMBER.search(text):
        return text  # a long number leaves a digit in every 16th letter
    try:
        todo: list[tuple[str, object]] = [(what, json.loads(text))]
    except ValueError as error:  # more digits than Python reads
        raise InvalidData(f"{what}: {error}") from None
    while todo:
        place, item = todo.pop()
        if isinstance(item, int) and abs(item) > largest:
            raise InvalidData(
                f"{place}: expected a whole number up to {largest:,}, for Node reads no larger one as it is; got "
                f"{item:,} (text can carry it)"
            )
        todo += [(f"{place}{step}", child) for step, child in reversed(_children(item) or [])]
    return text


def decode(text: str | bytes) -> Any:
    """Return what JSON text stands for, a careless writer's NaN included; raise ValueError if it cannot be read."""
    return from_json(text)


def decode_or(text: str | None, otherwise: Any) -> Any:
    """Return what JSON text stands for, `otherwise` for none and for text of others that cannot be read."""
    try:
        return otherwise if text is None else from_json(text)
    except ValueError:
        return otherwise


def dump(value: list[Any] | dict[str, Any]) -> str:
    """Return plain lists and dicts of our own as compact JSON text, unchecked."""
    return to_json(value).decode()


def clean(text: str) -> str:
    """Return text of unknown origin (an error's, a log line) with lone surrogates escaped, so that it can be stored."""
    return text.encode("utf-8", "backslashreplace").decode() if _SURROGATE.search(text) else text


def clip(text: str, most: int = LONG) -> str:
    """Return cleaned text, cut to `most` bytes of UTF-8 with a mark that says how long it was."""
    if len(text) <= most and text.isascii():
        return text
    raw = text.encode("utf-8", "backslashreplace")
    if len(raw) <= most:
        return raw.decode()
    mark = f" … (cut: it had {len(raw):,} bytes)"
    return raw[: most - len(mark.encode())].decode(errors="ignore") + mark


def _has_constant(text: str) -> bool:
    """Return whether NaN or an infinity stands in `text` as a bare word, not within a string."""
    found: list[str] = []
    json.loads(text, parse_constant=found.append)
    return bool(found)


def _is_plain(value: object) -> bool:
    """Return whether a value is made of JSON's own kinds alone, which say what they are: a quick look at many."""
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (str, int))


def _culprit(value: object, what: str) -> str | None:
    """Name the first place that JSON cannot hold; only walked once something is suspected."""
    todo: list[tuple[str, object, tuple[int, ...]]] = [(what, value, ())]
    while todo:
        place, item, around = todo.pop()
        children = _children(item)
        problem = _leaf_problem(item) if children is None else _container_problem(item, around)
        if problem:
            return f"{place if len(place) <= 80 else f'{place[:40]}…{place[-39:]}'}: {problem}"  # noqa: PLR2004
        inside = (*around, id(item))
        todo += [(f"{place}{step}", child, inside) for step, child in reversed(children or [])]
    return None


def _children(item: object) -> list[tuple[str, object]] | None:
    """Return what a container holds, with the step that leads to each; None for anything else."""
    if isinstance(item, Mapping):
        return [(f".{key}", child) for key, child in item.items()]
    if isinstance(item, (list, tuple, set, frozenset)):
        return [(f"[{index}]", child) for index, child in enumerate(item)]
    if isinstance(item, BaseModel):
        return [(f".{name}", child) for name, child in item]
    if is_dataclass(item) and not isinstance(item, type):
        return [(f".{field.name}", getattr(item, field.name, None)) for field in fields(item)]
    return None


def _container_problem(item: object, around: tuple[int, ...]) -> str | None:
    if id(item) in around:
        return "expected JSON, found a structure that contains itself"
    if len(around) >= DEEPEST:
        return f"expected at most {DEEPEST} levels, found more"
    for key in item if isinstance(item, Mapping) else ():
        if not isinstance(key, float) and (problem := _leaf_problem(key)):
            return f"{problem} as a key"
    return None


def _leaf_problem(item: object) -> str | None:
    if item is None or isinstance(item, (bool, int)):
        return None
    if isinstance(item, float):
        return None if math.isfinite(item) else f"expected a finite number, found {item}"
    if isinstance(item, str):
        return "expected text, found a lone surrogate" if _SURROGATE.search(item) else None
    if isinstance(item, (SecretStr, SecretBytes)):
        return f"expected what JSON can carry, found {type(item).__name__}, which would arrive as stars"
    try:
        bad = _has_constant(to_json(item, inf_nan_mode="constants").decode())
    except (PydanticSerializationError, ValueError, RecursionError):
        return f"expected JSON, found {type(item).__name__}"
    return f"expected a finite number, found {item}" if bad else None
