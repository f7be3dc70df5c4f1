"""Many recipients in one call: each checked first, then rows by the thousand in one commit and jobs in one add."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy import select

from toril.errors import InvalidMessage, InvalidOption, KeyConflict
from toril.messaging.delivery import DeliveryLog
from toril.messaging.inserting import NewMail
from toril.messaging.intake import Common, Intake, MailOptions
from toril.messaging.models import EmailKey, EmailLog, Status
from toril.messaging.suppression import chosen_for, reasons

__all__ = ["BulkOptions", "Drafts", "Progress", "Recipient", "draft", "leave_out", "slices", "suppress"]

BULK = 1_000  # rows of one commit, jobs of one add
_TURN = 50  # recipients that are checked before the event loop has its turn
_SHOWN = 5  # faults that an error tells

Progress = Callable[[int, int], object]
"""Called with how many were done, and of how many."""


class BulkOptions(MailOptions, total=False):
    """What may be said of a `send_many`, beside what may be said of each of its messages.

    context: what all have in common. key: makes the call repeatable: each recipient has the key `key:address` unless
    it has one of its own, so that after a crash the same call sends what is missing. invalid: "raise" (the default)
    accepts nothing if any recipient is at fault, "skip" leaves those out and tells them. dry_run: write nothing and
    tell what would be. progress: called after every thousand with how many were done, and of how many. cc, bcc: are
    refused.
    """

    context: Mapping[str, Any] | BaseModel | None
    key: str | None
    invalid: Literal["raise", "skip"]
    dry_run: bool
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class Recipient:
    """One of the recipients of `send_many`: what differs from what all have in common.

    context: added to the common one, or a whole typed context in place of it. key: see `Mailer.send`.
    """

    to: str
    context: Mapping[str, Any] | BaseModel | None = None
    key: str | None = None
    locale: str | None = None
    subject: str | None = None


@dataclass(slots=True)
class Drafts:
    """Rows that are ready to be written, those that were, and what was left out."""

    dry_run: bool
    total: int = 0
    mails: list[NewMail] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    rows: list[EmailLog] = field(default_factory=list)
    duplicates: int = 0
    invalid: list[tuple[int, str]] = field(default_factory=list)


async def draft(intake: Intake, common: Common, to: Iterable[str | Recipient], options: BulkOptions) -> Drafts:
    """Check all recipients.

    Raises InvalidMessage that names the places of the bad ones unless they are to be skipped, and InvalidOption.
    """
    if options.get("cc") or options.get("bcc"):
        raise InvalidOption("cc, bcc: belong to one message, expected in send(...)")
    if isinstance(to, (str, Mapping)) or not isinstance(to, Iterable):
        raise InvalidMessage(f"to: expected addresses or Recipient(…)s, as many as you like, got {type(to).__name__}")
    invalid = options.get("invalid", "raise")
    if invalid not in {"raise", "skip"}:
        raise InvalidOption(f"invalid: expected raise or skip, got {invalid!r}")
    drafts, used = Drafts(dry_run=options.get("dry_run", False)), set[str]()
    for place, one in enumerate(to):
        if place % _TURN == 0:
            await asyncio.sleep(0)
        drafts.total += 1
        try:
            mail = _draft(intake, common, one, options.get("context"), options.get("key"))
        except (InvalidMessage, InvalidOption) as error:
            drafts.invalid.append((place, str(error)))
            continue
        if mail.claim and mail.claim.key in used:
            drafts.duplicates += 1
            continue
        if mail.claim:
            used.add(mail.claim.key)
        drafts.mails.append(mail)
        drafts.places[mail.mail.id] = place
    if drafts.invalid and invalid == "raise":
        shown = "; ".join(f"[{place}] {fault}" for place, fault in drafts.invalid[:_SHOWN])
        raise InvalidMessage(f"{len(drafts.invalid):,} of {drafts.total:,} recipients: {shown}")
    return drafts


def _draft(
    intake: Intake, common: Common, one: str | Recipient, context: Mapping[str, Any] | BaseModel | None, key: str | None
) -> NewMail:
    recipient = Recipient(one) if isinstance(one, str) else one
    if not isinstance(recipient, Recipient):
        raise InvalidMessage(f"expected an address or Recipient(…), got {type(one).__name__}")
    own = recipient.key
    if own is None and key is not None:
        own = f"{key}:{str(recipient.to).rpartition('<')[2].rstrip('> ').lower()}"
    (mail,) = intake.mails(
        common,
        recipient.to,
        _joined(context, recipient.context),
        key=own,
        subject=recipient.subject,
        locale=recipient.locale,
    )
    return mail


def _joined(
    common: Mapping[str, Any] | BaseModel | None, own: Mapping[str, Any] | BaseModel | None
) -> Mapping[str, Any] | BaseModel:
    if own is None or isinstance(own, BaseModel) or common is None:
        return own or common or {}
    if not isinstance(common, Mapping) or not isinstance(own, Mapping):
        raise InvalidMessage("context: expected mappings, to be joined, or one whole context")
    return {**common, **own}


def slices(mails: Sequence[NewMail]) -> Iterator[Sequence[NewMail]]:
    """Yield them by the thousand."""
    for start in range(0, len(mails), BULK):
        yield mails[start : start + BULK]


async def leave_out(log: DeliveryLog, intake: Intake, drafts: Drafts, mails: Sequence[NewMail]) -> set[str]:
    """Tell `drafts` which of some messages have a key that was used before; return their ids."""
    claims = {new.claim.key: (new.mail.id, new.claim) for new in mails if new.claim}
    if not claims:
        return set()
    used = set()
    for key, first, digest in await log.read(
        select(EmailKey.key, EmailKey.email_id, EmailKey.digest).where(EmailKey.key.in_(claims))
    ):
        mail_id, claim = claims[key]
        used.add(mail_id)
        if intake.is_same(claim, digest):
            drafts.duplicates += 1
        else:
            drafts.invalid.append((drafts.places[mail_id], str(KeyConflict(first))))
    return used


async def suppress(log: DeliveryLog, mails: Sequence[EmailLog]) -> None:
    """Mark those of some rows, which are not written, whose recipients must not get them."""
    if mails:
        why = reasons(mails, await log.read(chosen_for(mails)))
        for mail in mails:
            mail.status = Status.SUPPRESSED if mail.id in why else mail.status
