"""What a message is: a named type with a typed context and a kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from toril.errors import ConfigurationError, InvalidContext

__all__ = ["Context", "Kind", "MessageType", "SecretURL", "WebURL"]

Kind = Literal["transactional", "subscribed"]
"""Transactional: the recipient waits for it, losing it is worse than doubling; subscribed: the reverse."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Context(BaseModel):
    """What a template may use. Fields of type SecretStr show in the mail's body and nowhere else."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _absolute(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or any(char.isspace() for char in url):
        raise ValueError("expected an absolute http:// or https:// address")
    return url


def _absolute_secret(url: SecretStr) -> SecretStr:
    _absolute(url.get_secret_value())
    return url


WebURL = Annotated[str, AfterValidator(_absolute)]
"""An absolute link: a relative one leads nowhere from a mailbox."""

SecretURL = Annotated[SecretStr, AfterValidator(_absolute_secret)]
"""A link that lets its reader in, such as a password reset."""

C = TypeVar("C", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class MessageType(Generic[C]):
    """A kind of mail that can be sent by name.

    name: lower-case words with hyphens; also the name of its template folder.
    context: the pydantic model of what its template uses.
    kind: "transactional" or "subscribed".
    priority: of its jobs, unless the call says otherwise: 0 none (goes first), 1 highest … 2,097,151 lowest.
    """

    name: str
    context: type[C]
    kind: Kind
    priority: int = 0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(f"message type name: expected lower-case words with hyphens, got {self.name!r}")
        if self.kind not in {"transactional", "subscribed"}:
            raise ConfigurationError(f"kind of {self.name!r}: expected transactional or subscribed, got {self.kind!r}")

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

    def dump(self, context: C) -> str:
        """Return `context` as JSON, secrets included: for the delivery log only."""
        try:
            return to_json(_reveal(context.model_dump(by_alias=True))).decode()
        except (PydanticSerializationError, UnicodeError):
            raise InvalidContext(f"context of {self.name!r}: expected JSON values and valid Unicode text") from None

    def load(self, text: str) -> C:
        """Read back what `dump` wrote."""
        return self.context.model_validate_json(text)

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


def _reveal(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {key: _reveal(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_reveal(item) for item in value]
    return value
