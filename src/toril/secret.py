"""`Secret[...]`: a task's parameter that is encrypted wherever it lies and shown to nobody but the run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Generic, TypeVar, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from toril.cipher import Cipher, UnknownKey
from toril.json import decode, encode

__all__ = ["MASK", "Secret", "holds_secret", "masked", "veil"]

T_co = TypeVar("T_co", covariant=True)

MASK = "********"
_SEAL = "$secret"  # data hold {"$secret": token} in its place
_SEALED = re.compile(r'\{\s*"\$secret"\s*:\s*"[^"]*"\s*\}')
_SHORTEST = 4  # characters: what is shorter stands in any text by chance


class Secret(Generic[T_co]):
    """A value that a task takes and nobody is to see: `async def charge(card: Secret[str])`.

    It is checked like a plain value of its type, encrypted with the first of TORIL_SECRET_KEYS before it leaves the
    caller, and decrypted for the run alone. Where it is printed or logged it is masked, and so is its text in the
    job's failures and log lines. A task that takes one cannot be declared without a key.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T_co) -> None:
        self._value = value

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def reveal(self) -> T_co:
        """Return the value."""
        return self._value

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = handler.generate_schema(next(iter(get_args(source)), Any))
        seal = core_schema.wrap_serializer_function_ser_schema(_seal, schema=inner, info_arg=True)
        return core_schema.with_info_wrap_validator_function(_unseal, inner, serialization=seal)


def holds_secret(schema: object) -> bool:
    """Return whether a Secret is anywhere in a core schema of pydantic's."""
    if isinstance(schema, dict):
        return schema.get("function") is _unseal or any(map(holds_secret, schema.values()))
    return isinstance(schema, (list, tuple)) and any(map(holds_secret, schema))


def masked(data: str) -> str:
    """Return a job's data (JSON) with a mask in the place of every secret: fit to be shown."""
    return _SEALED.sub(f'"{MASK}"', data)


def veil(data: str, cipher: Cipher) -> Callable[[str], str]:
    """Return what masks the secrets of a job's data wherever they stand in a text."""
    words = {form for value in _secrets(decode(data), cipher) for text in _texts(value) for form in _forms(text)}
    if not words:
        return str
    found = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))))
    return lambda text: found.sub(MASK, text)


def _unseal(
    value: Any, check: core_schema.ValidatorFunctionWrapHandler, info: core_schema.ValidationInfo
) -> Secret[Any]:
    if isinstance(value, Secret):
        return Secret(check(value.reveal()))
    if not _is_sealed(value):
        return Secret(check(value))  # at the call; or added before the parameter was a Secret
    if not isinstance(info.context, Cipher):
        raise PydanticCustomError("secret", "expected a plain value, found an encrypted one")
    try:
        opened = info.context.decrypt(value[_SEAL])
    except UnknownKey:
        raise PydanticCustomError("secret", "encrypted with a key that is not among TORIL_SECRET_KEYS") from None
    return Secret(check(decode(opened)))


def _seal(
    value: Secret[Any], write: core_schema.SerializerFunctionWrapHandler, info: core_schema.SerializationInfo
) -> Any:
    if not info.mode_is_json():
        return value
    if not isinstance(info.context, Cipher):
        return MASK
    return {_SEAL: info.context.encrypt(encode(write(value.reveal()), "secret"))}


def _is_sealed(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {_SEAL} and isinstance(value[_SEAL], str)


def _secrets(value: Any, cipher: Cipher) -> Iterator[Any]:
    if _is_sealed(value):
        with suppress(UnknownKey):  # data of others may look like that: what cannot be read needs no mask
            yield decode(cipher.decrypt(value[_SEAL]))
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _secrets(item, cipher)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
    elif len(str(value)) >= _SHORTEST and not isinstance(value, bool) and value is not None:
        yield str(value)


def _forms(text: str) -> Iterator[str]:
    """Yield a text as it is, as Python shows it, and as JSON does."""
    yield from (text, repr(text)[1:-1], encode(text)[1:-1])
