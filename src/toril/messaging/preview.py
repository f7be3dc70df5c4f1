"""A mail as it would look, made of the sample that lies beside its template."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from toril.errors import ConfigurationError, InvalidContext
from toril.messaging.address import Address
from toril.messaging.message import MessageType
from toril.messaging.mime import Skeleton
from toril.messaging.templates import Templates

__all__ = ["UNSUBSCRIBE_URL", "Preview", "preview", "previews", "sample"]

UNSUBSCRIBE_URL = "https://example.com/unsubscribe"
"""Stands for the link that a subscribed mail gets when it is sent."""

_SOMEBODY = Address.parse("Somebody <somebody@example.com>", "address")


@dataclass(frozen=True, slots=True)
class Preview:
    """A rendered sample. `message` is the whole mail; `locale` is what was asked for."""

    kind: MessageType[Any]
    locale: str
    subject: str
    html: str
    text: str
    message: bytes


def sample(kind: MessageType[Any], templates: Templates, locale: str) -> BaseModel:
    """Return the context in `sample.json` (or `sample.vi.json`) of a message type.

    Raises ConfigurationError that names the file: it is missing, no JSON, or not what the type takes.
    """
    source = templates.sources.get(kind.name, "sample", ".json", locale)
    try:
        context: BaseModel = kind.validate(json.loads(source.text))
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"template {source.path}, line {error.lineno}: {error.msg}") from None
    except InvalidContext as error:
        raise ConfigurationError(f"template {source.path}: {error}") from None
    return context


def preview(kind: MessageType[Any], templates: Templates, locale: str) -> Preview:
    """Return the sample of a message type for a recipient of `locale`; raise whatever is wrong with its template."""
    context = sample(kind, templates, locale)
    template = templates.load(kind, locale)
    subject = template.render_subject(context)
    text, html = template.render(context, subject, UNSUBSCRIBE_URL if kind.kind == "subscribed" else None)
    whole = Skeleton(_SOMEBODY).write(
        to=_SOMEBODY, subject=subject, message_id="preview@example.com", at=0, text=text, html=html
    )
    return Preview(kind, locale, subject, html, text, whole)


def previews(
    kinds: Iterable[MessageType[Any]], templates: Templates, locales: Iterable[str] | None = None
) -> list[Preview]:
    """Return the sample of each type in each locale; None: in each that any template is in."""
    wanted = templates.sources.locales() if locales is None else list(locales)
    return [preview(kind, templates, locale) for kind in kinds for locale in wanted]
