"""From a name, an address and a context to a row of the log, and from the row to a mail."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

from toril.errors import ConfigurationError, InvalidMessage, UnknownTemplate
from toril.log import MAIL_NO_WAY_OUT
from toril.messaging.address import Address
from toril.messaging.catalogue import BUILT_IN
from toril.messaging.extras import Extras
from toril.messaging.header import check_line
from toril.messaging.ids import new_id
from toril.messaging.keys import Keys
from toril.messaging.message import Context, MessageType, type_of, without_secrets
from toril.messaging.mime import Part, Skeleton
from toril.messaging.models import EmailLog, Status
from toril.messaging.preview import Preview
from toril.messaging.templates import Template, Templates
from toril.messaging.transport import Envelope
from toril.messaging.unsubscribe import WayOut, leave_headers

__all__ = ["Composer"]

_LONGEST_SUBJECT = 1_000  # characters
_SHORTEST_SECRET = 4  # characters: what is shorter stands in any text by chance


class Composer:
    """Knows the message types, their templates, the sender, and the keys that secret fields are kept with.

    way_out: makes the links with which recipients of subscribed mail opt out; None: there are none.
    """

    def __init__(self, sender: Address, templates: Templates, keys: Keys, way_out: WayOut | None = None) -> None:
        self._sender, self._templates, self._keys, self._way_out = sender, templates, keys, way_out
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

    def find(self, name: object) -> MessageType[Any]:
        """Return the type of that name; raise UnknownTemplate, which lists those that are known."""
        if not isinstance(name, str):
            got = type(name).__name__
            raise UnknownTemplate(f"message type: expected its name, got {got}; a typed context goes into context=")
        kind = self._types.get(name)
        if kind is None:
            known = sorted(self._types)
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UnknownTemplate(f"no message type {name!r} (known: {', '.join(known)}){hint}")
        return kind

    def named(self, context: BaseModel) -> MessageType[Any]:
        """Return the one type whose context is of that class; raise UnknownTemplate."""
        found = [kind for kind in self._types.values() if kind.context is type(context)]
        if len(found) != 1:
            which = ", ".join(kind.name for kind in found) or "none"
            raise UnknownTemplate(f"{type(context).__name__}: expected the context of one message type, is of {which}")
        return found[0]

    def row(
        self,
        name: str,
        to: str,
        context: Mapping[str, Any] | BaseModel,
        now: int,
        send_at: int,
        *,
        subject: str | None = None,
        locale: str = "",
    ) -> tuple[EmailLog, str]:
        """Return the row of a new message, checked in every part, and its content with all secrets, to be compared.

        now, send_at: epoch milliseconds. subject: in place of the template's. Raises UnknownTemplate, InvalidAddress,
        InvalidContext, InvalidMessage, and ConfigurationError for a secret field without a key.
        """
        kind = self.find(name)
        if kind.kind == "subscribed" and self._way_out is None:
            _say_that_nobody_can_leave()
        address = Address.parse(to, "to")
        values = kind.validate(context)
        content, secrets = kind.plain(values)
        template = self._templates.load(kind, locale or None)
        mail_id = new_id(now)
        mail = EmailLog(
            id=mail_id,
            type=name,
            recipient=address.spec,
            recipient_name=address.name,
            subject=subject_of(template, values, subject, secrets),
            status=Status.PENDING,
            created_at=now,
            send_at=send_at,
            look_at=send_at,
            kind=kind.kind,
            category=kind.category if kind.kind == "subscribed" else "",
            locale=locale,
            priority=kind.priority,
            message_id=f"{mail_id}@{self._sender.domain}",
            context=kind.dump(values, self._keys.fields if kind.secret else None),
        )
        return mail, content

    def compose(self, mail: EmailLog, files: Sequence[Part] = ()) -> Envelope:
        """Return the mail of a row; raise UnknownTemplate, or whatever its template raises."""
        shown = self._write(mail, self._load(mail), files)
        return Envelope(self._sender.spec, mail.recipient, shown.message, kind=mail.kind, key=mail.id)

    def show(self, mail: EmailLog) -> Preview:
        """Return what a row's mail looks like, with a mask for each secret; raise what `compose` raises."""
        return self._write(mail, without_secrets(self._load(mail)))

    def _load(self, mail: EmailLog) -> BaseModel:
        kind = self.find(mail.type)
        values: BaseModel = kind.load(mail.context, self._keys.fields if kind.secret else None)
        return values

    def _write(self, mail: EmailLog, values: BaseModel, files: Sequence[Part] = ()) -> Preview:
        kind = self.find(mail.type)
        template = self._templates.load(kind, mail.locale or None)
        extras = Extras.from_json(mail.extras)
        headers, way_out = extras.lines(), None
        if self._way_out and mail.kind == "subscribed":
            way_out = self._way_out.link(mail.recipient, mail.category)
            headers += leave_headers(way_out)
        text, html = template.render(values, mail.subject, way_out)
        message = self._skeleton.write(
            to=extras.to or Address(mail.recipient, mail.recipient_name),
            subject=mail.subject,
            message_id=mail.message_id,
            at=mail.created_at,
            text=text,
            html=html,
            headers=headers,
            files=files,
        )
        return Preview(kind, mail.locale, mail.subject, html, text, message)


@cache
def _say_that_nobody_can_leave() -> None:
    """Say so once in a process: mail programs, and the law in many places, want a way out of subscribed mail."""
    MAIL_NO_WAY_OUT()


def subject_of(template: Template, values: BaseModel, own: str | None, secrets: Sequence[str]) -> str:
    """Return a mail's subject: the template's, or its own if that shows no secret; raise InvalidMessage."""
    if own is None:
        return template.render_subject(values)
    if not isinstance(own, str) or not own.strip() or len(own) > _LONGEST_SUBJECT:
        raise InvalidMessage(f"subject: expected one line of 1 to {_LONGEST_SUBJECT:,} characters")
    if any(len(secret) >= _SHORTEST_SECRET and secret in own for secret in secrets):
        raise InvalidMessage("subject: it shows a secret field, and the delivery log keeps subjects")
    return check_line(own.strip(), "subject")
