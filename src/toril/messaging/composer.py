"""From a name, an address and a context to a row of the log, and from the row to a mail."""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from toril.errors import ConfigurationError, UnknownTemplate
from toril.messaging.address import Address
from toril.messaging.catalogue import BUILT_IN
from toril.messaging.message import Context, MessageType, type_of
from toril.messaging.mime import Skeleton
from toril.messaging.models import EmailLog, Status
from toril.messaging.templates import Templates
from toril.messaging.transport import Envelope

__all__ = ["Composer"]


class Composer:
    """Knows the message types, their templates and the sender."""

    def __init__(self, sender: Address, templates: Templates) -> None:
        self._sender, self._templates = sender, templates
        self._skeleton = Skeleton(sender)
        self._types: dict[str, MessageType[Any]] = {kind.name: kind for kind in BUILT_IN}

    @property
    def types(self) -> tuple[MessageType[Any], ...]:
        """The message types that are known."""
        return tuple(self._types.values())

    @property
    def templates(self) -> Templates:
        """Where their templates come from."""
        return self._templates

    def register(self, kind: MessageType[Any] | type[Context]) -> None:
        """Make a message type known; raise ConfigurationError if its template is at fault or its name taken."""
        kind = kind if isinstance(kind, MessageType) else type_of(kind)
        if kind.name in self._types:
            raise ConfigurationError(f"message type {kind.name!r}: there is one of that name already")
        self._templates.load(kind)
        self._types[kind.name] = kind

    def find(self, name: str) -> MessageType[Any]:
        """Return the type of that name; raise UnknownTemplate, which lists those that are known."""
        kind = self._types.get(name)
        if kind is None:
            known = sorted(self._types)
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UnknownTemplate(f"no message type {name!r} (known: {', '.join(known)}){hint}")
        return kind

    def row(self, name: str, to: str, context: Mapping[str, Any] | BaseModel, now: int, send_at: int) -> EmailLog:
        """Return the row of a new message, checked in every part; times are epoch milliseconds.

        Raises UnknownTemplate, InvalidAddress, InvalidContext.
        """
        kind = self.find(name)
        address = Address.parse(to, "to")
        values = kind.validate(context)
        mail_id = _new_id(now)
        return EmailLog(
            id=mail_id,
            type=name,
            recipient=address.spec,
            recipient_name=address.name,
            subject=self._templates.load(kind).render_subject(values),
            status=Status.PENDING,
            created_at=now,
            send_at=send_at,
            look_at=send_at,
            priority=kind.priority,
            message_id=f"{mail_id}@{self._sender.domain}",
            context=kind.dump(values),
        )

    def compose(self, mail: EmailLog) -> Envelope:
        """Return the mail of a row; raise UnknownTemplate, or whatever its template raises."""
        kind = self.find(mail.type)
        template = self._templates.load(kind)
        text, html = template.render(kind.load(mail.context), mail.subject)
        message = self._skeleton.write(
            to=Address(mail.recipient, mail.recipient_name),
            subject=mail.subject,
            message_id=mail.message_id,
            at=mail.created_at,
            text=text,
            html=html,
        )
        return Envelope(self._sender.spec, mail.recipient, message)

    def resends(self, mail: EmailLog) -> bool:
        """Return whether a mail of which nobody knows if it arrived goes again, or is held."""
        kind = self._types.get(mail.type)
        return kind is not None and kind.kind == "transactional"


def _new_id(now: int) -> str:
    """Return an id in the order of time that can never be a queue's counter: it begins with a letter."""
    return f"m{now:011x}{secrets.token_hex(6)}"
