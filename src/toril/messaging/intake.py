"""From a call of `send` to the rows that it makes, checked in every part before anything is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict

from pydantic import BaseModel

from toril.checks import moment, seconds, whole
from toril.errors import InvalidMessage, InvalidOption
from toril.messaging.address import Address
from toril.messaging.attachments import Attachment, Loaded, load
from toril.messaging.composer import Composer
from toril.messaging.extras import Extras, addresses
from toril.messaging.header import check_line
from toril.messaging.ids import new_id
from toril.messaging.inserting import Claim, NewMail
from toril.messaging.keys import Keys
from toril.messaging.models import EmailLog
from toril.messaging.policy import LOWEST_PRIORITY, Policies
from toril.tracing import carrier

__all__ = ["Common", "Intake", "MailOptions"]

_LONGEST_KEY = 300


class MailOptions(TypedDict, total=False):
    """What may be said of a message beside its type, recipient and context.

    at: the moment (with a time zone) before which it does not go; delay: seconds or a timedelta instead.
    priority: 0 none, taken first; 1 highest … 2,097,151 lowest; default: the type's. subject: one line, in place of the
    template's. locale: the language of the recipient, such as `vi`. cc, bcc: addresses; each gets the mail in a row and
    job of its own. reply_to: an address. headers: name → one line. attachments: see Attachment.
    """

    at: datetime | None
    delay: float | timedelta | None
    priority: int | None
    subject: str | None
    locale: str | None
    cc: str | Sequence[str]
    bcc: str | Sequence[str]
    reply_to: str | None
    headers: Mapping[str, str] | None
    attachments: Sequence[Attachment | Path]


@dataclass(frozen=True, slots=True)
class Common:
    """What the messages of one call share. Times are epoch milliseconds."""

    type: str
    now: int
    send_at: int
    priority: int | None
    subject: str | None
    locale: str
    extras: Extras
    bcc: tuple[Address, ...]
    files: tuple[Loaded, ...]
    batch: str | None = None


class Intake:
    """Makes rows. max_attachments: bytes of one mail. private_hosts: see `attachments.load`."""

    def __init__(
        self,
        composer: Composer,
        keys: Keys,
        policies: Policies,
        max_attachments: int,
        private_hosts: Collection[str],
    ) -> None:
        self._composer, self._keys, self._policies = composer, keys, policies
        self._max_attachments, self._private_hosts = max_attachments, frozenset(private_hosts)

    def named(self, message: str | BaseModel, context: object) -> tuple[str, Any]:
        """Return the name of a message type and its context: given apart, or as the context alone."""
        if not isinstance(message, BaseModel):
            if context is None:
                raise InvalidMessage("context: expected a mapping or the type's context")
            return message, context
        if context is not None:
            raise InvalidMessage("context: expected none beside a context that is sent as it is")
        return self._composer.named(message).name, message

    async def one(
        self, message: str | BaseModel, to: str, context: object, key: str | None, now: int, options: MailOptions
    ) -> list[NewMail]:
        """Return the row of one message, and one for each copy; raise what `named`, `common` and `mails` raise."""
        name, values = self.named(message, context)
        return self.mails(await self.common(name, now, options), to, values, key=key)

    async def common(
        self, name: str, now: int, options: MailOptions, batch: str | None = None, *, test: bool = False
    ) -> Common:
        """Check what messages share; links among the attachments are read here.

        Raises UnknownTemplate, InvalidAddress, InvalidMessage, InvalidOption.
        """
        self._composer.find(name)
        priority = options.get("priority")
        files = await load(options.get("attachments", ()), self._max_attachments, self._private_hosts)
        extras = Extras.check(
            options.get("cc", ()), options.get("reply_to"), options.get("headers"), test=test, files=len(files)
        )
        return Common(
            name,
            now,
            send_at(now, options.get("at"), options.get("delay")),
            None if priority is None else whole(0, LOWEST_PRIORITY)("priority", priority),
            options.get("subject"),
            options.get("locale") or "",
            extras,
            addresses(options.get("bcc", ()), "bcc"),
            files,
            batch,
        )

    def mails(
        self,
        common: Common,
        to: str,
        context: Mapping[str, Any] | BaseModel,
        *,
        key: str | None = None,
        subject: str | None = None,
        locale: str | None = None,
    ) -> list[NewMail]:
        """Return the row for a recipient, and one for each copy.

        Raises InvalidAddress, InvalidContext, InvalidMessage, and ConfigurationError for a secret without a key.
        """
        mail, content = self._composer.row(
            common.type,
            to,
            context,
            common.now,
            common.send_at,
            subject=subject if subject is not None else common.subject,
            locale=locale or common.locale,
        )
        self._complete(mail, common)
        detail = f"for {_readable(common.send_at)}" if common.send_at > common.now else ""
        claim = None
        if key is not None:
            mail.key = _key(key)
            claim = self._claim(mail, content, common)
        first = NewMail(mail, claim, common.files, detail)
        spec = mail.recipient.lower()
        copies = {one.spec.lower(): one for one in (*common.extras.cc, *common.bcc) if one.spec.lower() != spec}
        return [first, *(NewMail(_copy(mail, one), None, common.files, detail) for one in copies.values())]

    def is_same(self, claim: Claim, digest: str) -> bool:
        """Return whether the digest that was kept under a key is of the same content."""
        return self._keys.is_digest(digest, claim.content)

    def _complete(self, mail: EmailLog, common: Common) -> None:
        own = self._policies.of(mail.type).priority
        mail.priority = next((one for one in (common.priority, own) if one is not None), mail.priority)
        mail.extras, mail.batch, mail.trace = common.extras.to_json(), common.batch, carrier()

    def _claim(self, mail: EmailLog, content: str, common: Common) -> Claim:
        hashed = hashlib.sha256((mail.key or "").encode()).hexdigest()
        described = _described(mail, content, common)
        return Claim(hashed, self._keys.digest(described), described)


def send_at(now: int, at: datetime | None, delay: float | timedelta | None) -> int:
    """Return the epoch milliseconds before which a mail does not go; raise InvalidOption."""
    if at is not None and delay is not None:
        raise InvalidOption("at, delay: expected one of them, got both")
    if at is not None:
        return max(now, moment("at", at))
    return now + round(seconds("delay", delay or 0.0) * 1000)


def _key(key: object) -> str:
    if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_KEY:
        raise InvalidMessage(f"key: expected text of 1 to {_LONGEST_KEY} characters")
    return check_line(key, "key")


def _described(mail: EmailLog, content: str, common: Common) -> str:
    """Return all that makes a message another one; when it goes and how urgent it is does not."""
    files = [(file.name, file.hash) for file in common.files]
    bcc = [one.spec for one in common.bcc]
    return json.dumps([mail.type, mail.recipient, mail.subject, mail.locale, content, mail.extras, bcc, files])


def _copy(mail: EmailLog, recipient: Address) -> EmailLog:
    """Return the row of a copy: the same mail, addressed as it is, for somebody else."""
    values = {column.key: getattr(mail, column.key) for column in EmailLog.__table__.columns}
    extras = Extras.from_json(mail.extras)
    to = Address(mail.recipient, mail.recipient_name)
    values |= {
        "id": new_id(mail.created_at),
        "recipient": recipient.spec,
        "recipient_name": recipient.name,
        "copy_of": mail.id,
        "key": None,
        "extras": replace(extras, to=to).to_json(),
    }
    return EmailLog(**values)


def _readable(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(" ", "seconds")
