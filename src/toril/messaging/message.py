"""What a message is: a named type with a typed context and a kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretBytes, SecretStr, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from toril import Secret
from toril.cipher import Cipher
from toril.errors import ConfigurationError, InvalidContext
from toril.secret import holds_secret

__all__ = ["Context", "Kind", "MessageType", "SecretURL", "WebURL"]

Kind = Literal["transactional", "subscribed"]
"""Transactional: the recipient waits for it, losing it is worse than doubling; subscribed: the reverse."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Context(BaseModel):
    """What a template may use. Fields of type `Secret[...]` show in the mail's body and nowhere else."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _absolute(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or any(char.isspace() for char in url):
        raise ValueError("expected an absolute http:// or https:// address")
    return url


WebURL = Annotated[str, AfterValidator(_absolute)]
"""An absolute link: a relative one leads nowhere from a mailbox."""

SecretURL = Secret[WebURL]
"""A link that lets its reader in, such as a password reset."""

C = TypeVar("C", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class MessageType(Generic[C]):
    """A kind of mail that can be sent by name.

    name: lower-case words with hyphens; also the name of its template folder.
    context: the pydantic model of what its template uses.
    kind: "transactional" or "subscribed".
    priority: of its jobs, unless the call says otherwise: 0 none (goes first), 1 highest … 2,097,151 lowest.
    category: what a recipient of a subscribed mail opts out of with one click.
    """

    name: str
    context: type[C]
    kind: Kind
    priority: int = 0
    category: str = "marketing"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(f"message type name: expected lower-case words with hyphens, got {self.name!r}")
        if self.kind not in {"transactional", "subscribed"}:
            raise ConfigurationError(f"kind of {self.name!r}: expected transactional or subscribed, got {self.kind!r}")
        if not _NAME.fullmatch(self.category):
            raise ConfigurationError(f"category of {self.name!r}: expected lower-case words with hyphens")
        if _has_pydantics_secret(self.context.__pydantic_core_schema__):
            raise ConfigurationError(f"context of {self.name!r}: expected Secret[str], which is kept encrypted")

    @property
    def secret(self) -> bool:
        """Whether its context has fields that are encrypted."""
        return holds_secret(self.context.__pydantic_core_schema__)

    def validate(self, context: Mapping[str, Any] | BaseModel) -> C:
        """Return `context` as this type's model; raise InvalidContext that names every bad field."""
        if isinstance(context, self.context):
            return context
        if not isinstance(context, Mapping):
            expected = f"a mapping or {self.context.__name__}"
            raise InvalidContext(f"context of {self.name!r}: expected {expected}, got {type(context).__name__}")
        try:
            return self.context.model_validate(dict(context))
        except ValidationError as error:
            raise InvalidContext(self._explain(error)) from None

    def dump(self, context: C, cipher: Cipher | None) -> str:
        """Return `context` as JSON for the delivery log, secret fields encrypted; None masks them."""
        try:
            return context.model_dump_json(by_alias=True, context=cipher)
        except (PydanticSerializationError, UnicodeError):
            raise InvalidContext(f"context of {self.name!r}: expected JSON values and valid Unicode text") from None

    def plain(self, context: C) -> tuple[str, list[str]]:
        """Return `context` as JSON with its secrets, and each of them that is text: never to be kept or shown."""
        secrets: list[str] = []

        def reveal(value: Any) -> Any:
            if not isinstance(value, Secret):
                raise TypeError(type(value).__name__)
            if isinstance(value.reveal(), str):
                secrets.append(value.reveal())
            return value.reveal()

        return to_json(context.model_dump(by_alias=True), fallback=reveal).decode(), secrets

    def load(self, text: str, cipher: Cipher | None) -> C:
        """Read back what `dump` wrote; raise pydantic's ValidationError, as for a key that is not known any more."""
        return self.context.model_validate_json(text, context=cipher)

    def _explain(self, error: ValidationError) -> str:
        # Pydantic's texts say what was expected; the values stay out, they may be secret.
        faults = [
            f"context{_path(fault['loc'])}: {_lower(fault['msg'])}"
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        known = ", ".join(self.context.model_fields)
        return f"{'; '.join(faults)} (type {self.name!r} takes: {known})"


def _path(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)


def _lower(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _has_pydantics_secret(schema: Any) -> bool:
    """Return whether pydantic's own secrets, which it writes as stars, are anywhere in a core schema."""
    if isinstance(schema, dict):
        return schema.get("cls") in {SecretStr, SecretBytes} or any(map(_has_pydantics_secret, schema.values()))
    return isinstance(schema, (list, tuple)) and any(map(_has_pydantics_secret, schema))
