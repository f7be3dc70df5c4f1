"""What a message is: a named type with a typed context and a kind.

A class says all of it: `class InvoiceReady(Context, kind="transactional")` declares the fields that its template
uses, and is the message type "invoice-ready".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretBytes, SecretStr, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticSerializationError, to_json

from toril import Secret
from toril.cipher import Cipher
from toril.errors import ConfigurationError, InvalidContext
from toril.secret import MASK, holds_secret

__all__ = ["RESERVED", "Context", "Kind", "MessageType", "SecretURL", "WebURL", "name_of", "type_of", "without_secrets"]

Kind = Literal["transactional", "subscribed"]
"""Transactional: the recipient waits for it, losing it is worse than doubling; subscribed: the reverse."""

RESERVED = frozenset({"body", "brand", "footer", "locale", "preheader", "subject", "unsubscribe_url"})
"""What every template may use, or a layout fills in: no field of a context has such a name."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Context(BaseModel):
    """What a template may use. Fields of type `Secret[...]` show in the mail's body and nowhere else.

    A subclass with a `kind` is a message type, found at its `type`: named after the class unless `name` is given,
    with that `priority` and `category` (see MessageType). A subclass without a kind is a part of other contexts.

    Fields can also be given in camelCase, as Node's applications write them.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        loc_by_alias=False,
        allow_inf_nan=False,
        hide_input_in_errors=True,  # it may be secret
    )

    type: ClassVar[MessageType[Any]]

    def __init_subclass__(cls, **_: Any) -> None:
        """Let the next method have what stands beside the class's name."""
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(  # type: ignore[override]  # a misspelt word is an error
        cls, *, kind: Kind | None = None, name: str | None = None, priority: int = 0, category: str = "marketing"
    ) -> None:
        if kind is not None:
            cls.type = MessageType(name or name_of(cls.__name__), cls, kind, priority, category)


def _absolute(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or url.split() != [url]:
        raise ValueError("expected an absolute http:// or https:// address")
    return url


WebURL = Annotated[str, AfterValidator(_absolute)]
"""An absolute link: a relative one leads nowhere from a mailbox."""

SecretURL = Secret[WebURL]
"""A link that lets its reader in, such as a password reset."""

C = TypeVar("C", bound=BaseModel)


@cache
def _holds_secret(context: type[BaseModel]) -> bool:
    return holds_secret(context.__pydantic_core_schema__)


def name_of(class_name: str) -> str:
    """Return the name of the message type that a class of this name is: "InvoiceReady" is "invoice-ready"."""
    return _WORDS.sub("-", class_name).lower()


def type_of(context: type[Context] | Context) -> MessageType[Any]:
    """Return the message type that a class of contexts is; raise ConfigurationError for one without a kind."""
    kind = getattr(context, "type", None)
    if not isinstance(kind, MessageType):
        named = context if isinstance(context, type) else type(context)
        raise ConfigurationError(f'{named.__name__}: expected a Context with a kind, such as kind="transactional"')
    return kind


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
        if taken := sorted(RESERVED & self.context.model_fields.keys()):
            raise ConfigurationError(f"context of {self.name!r}: {taken[0]!r} has a meaning of its own in templates")

    @property
    def secret(self) -> bool:
        """Whether its context has fields that are encrypted, be they deep inside."""
        return _holds_secret(self.context)

    @property
    def secrets(self) -> frozenset[str]:
        """The fields that hold a Secret."""
        return frozenset(name for name, field in self.context.model_fields.items() if _is_secret(field.annotation))

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


def without_secrets(context: C) -> C:
    """Return a context with a mask in the place of every secret, in whatever depth: fit to be shown."""
    return context.model_copy(update={name: _masked(value) for name, value in context})


def _masked(value: Any) -> Any:
    if isinstance(value, Secret):
        return Secret(MASK)
    if isinstance(value, BaseModel):
        return without_secrets(value)
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    return type(value)(map(_masked, value)) if isinstance(value, (list, tuple)) else value


def _path(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)


def _lower(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _is_secret(annotation: Any) -> bool:
    return get_origin(annotation) is Secret or any(map(_is_secret, get_args(annotation)))


def _has_pydantics_secret(schema: Any) -> bool:
    """Return whether pydantic's own secrets, which it writes as stars, are anywhere in a core schema."""
    if isinstance(schema, dict):
        return schema.get("cls") in {SecretStr, SecretBytes} or any(map(_has_pydantics_secret, schema.values()))
    return isinstance(schema, (list, tuple)) and any(map(_has_pydantics_secret, schema))
