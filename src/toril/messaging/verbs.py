"""What a mailer can do with messages that were accepted: look, cancel, try anew, suppress, forget."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Unpack

from pydantic import ValidationError
from sqlalchemy import URL, ColumnElement, Connection

from toril import Toril
from toril.clock import Clock
from toril.errors import (
    ConfigurationError,
    InvalidMessage,
    MailNotFound,
    StoreError,
    UnknownTemplate,
    WebhookRefused,
    WrongState,
)
from toril.messaging import feedback, forgetting, lookup, suppressing
from toril.messaging.address import Address
from toril.messaging.composer import Composer
from toril.messaging.delivery import DeliveryLog
from toril.messaging.home import Home
from toril.messaging.lookup import Hour, LogPage, Wanted, WantedOptions
from toril.messaging.models import EmailEvent, EmailLog
from toril.messaging.preview import Preview
from toril.messaging.relay import Relay
from toril.messaging.restoring import release_held
from toril.messaging.suppression import ALL, Suppression, scope_of
from toril.messaging.transport import Breaker, Failover, Health
from toril.messaging.unsubscribe import Leaving, WayOut
from toril.messaging.webhook import check_signature, read_report

__all__ = ["MailVerbs"]

_DAY = timedelta(days=1)
_SLICE = 1_000  # rows of a batch that are cancelled together


class MailVerbs:
    """The part of a mailer that works on the delivery log. All of it raises StoreUnavailable."""

    _home: Home
    _relay: Relay
    _clock: Clock
    _app: Toril
    _way_out: WayOut | None
    _transport: Breaker | Failover

    @property
    @abstractmethod
    def composer(self) -> Composer:
        """Its message types and their templates."""

    @property
    def log_url(self) -> URL:
        """The database of the delivery log, with the password if there is one."""
        return self._home.url

    # -- looking

    async def find(self, mail_id: str) -> EmailLog | None:
        """Return the row of a message, or None."""
        return await self._home.ask(lambda log: log.find(mail_id))

    async def log(self, *, limit: int = 100, after: str | None = None, **wanted: Unpack[WantedOptions]) -> LogPage:
        """Return rows of the delivery log, newest first, a page at a time.

        limit: 1 to 1,000. after: where the page before ended. wanted: `status`, `type`, `recipient`, `key`, `batch`,
        `since`, `until` (datetimes with a zone, of when it was accepted): all that is given must hold. Raises
        InvalidOption, InvalidAddress.
        """
        return await self._home.ask(lambda log: lookup.page(log, Wanted(**wanted), limit, after))

    async def content(self, mail_id: str) -> Preview | None:
        """Return what a message looks like, with a mask for each secret; attachments are left out.

        None: it cannot be written any more: it was forgotten, its type or its key is gone. Raises MailNotFound.
        """
        mail = await self.find(mail_id)
        if mail is None:
            raise MailNotFound(f"the delivery log has no mail {mail_id}")
        try:
            return self.composer.show(mail)
        except (UnknownTemplate, ValidationError, ConfigurationError):
            return None

    async def timeline(self, mail_id: str) -> Sequence[EmailEvent]:
        """Return what happened to a message, oldest first."""
        return await self._home.ask(lambda log: lookup.timeline(log, mail_id))

    async def counts(self, *, batch: str | None = None) -> dict[str, int]:
        """Return how many messages are in each status, of all or of one `send_many`."""
        return await self._home.ask(lambda log: lookup.counts(log, batch))

    async def hours(self, since: datetime | None = None, until: datetime | None = None) -> list[Hour]:
        """Return what became of the messages of each hour, oldest first; default: the last day, at most 31 days.

        Raises InvalidOption.
        """
        end = until or datetime.fromtimestamp(self._clock.now() / 1000, UTC) + timedelta(milliseconds=1)
        return await self._home.ask(lambda log: lookup.hours(log, since or end - _DAY, end))

    def health(self) -> list[Health]:
        """Return how the transports of this process do, the first choice first."""
        return self._transport.health()

    # -- changing

    async def cancel(self, mail_id: str) -> bool:
        """Take a message back, with its copies; False if it is being sent or has ended already."""
        return await self._home.ask(lambda log: _cancel(log, mail_id))

    async def cancel_batch(self, batch: str) -> int:
        """Take back what has not been sent of a `send_many`; return how many were."""
        return await self._home.ask(lambda log: _cancel_batch(log, batch))

    async def retry(self, mail_id: str) -> None:
        """Let a message that has ended without being sent be tried anew, all its attempts before it again.

        Of `unknown` that means: send it again, though it may have arrived. Raises MailNotFound, WrongState.
        """
        mail = await self._home.ask(lambda log: _retry(log, mail_id))
        try:
            await self._relay.again(mail)
        except StoreError:
            return  # the relay sees to it

    async def release(self, **wanted: Unpack[WantedOptions]) -> int:
        """Let the mails that a restore from a backup holds be sent, each when it was due; return how many.

        Some may arrive twice: look at them before, with `log(status="unknown")`. wanted: as of `log`. Raises
        InvalidOption, InvalidAddress.
        """
        conditions = [*Wanted(**wanted).conditions(), EmailLog.recipient != forgetting.FORGOTTEN]
        released = 0
        while number := await self._home.ask(lambda log: log.transact(partial(_release, conditions))):
            released += number
        return released

    async def forget(self, address: str) -> int:
        """Erase what is known of a person, for good; return how many rows were changed.

        What waits is cancelled. Rows stay for the counts, with their times and status; an entry in the list of
        suppressions stays as a hash, so that nobody is written to again who had asked not to be. A message that is
        being sent is left alone: ask again a few minutes later. Raises InvalidAddress.
        """
        spec = Address.parse(address, "address").spec.lower()
        return await self._home.ask(lambda log: forgetting.forget(log, spec))

    # -- suppressions

    async def suppress(self, address: str, *, scope: str = ALL, reason: str = "by hand", detail: str = "") -> bool:
        """Let an address get no more mail; return whether that is new.

        scope: `all`; `subscribed` for all but transactional mail; or one category of subscribed mail. Raises
        InvalidAddress, InvalidOption.
        """
        spec = Address.parse(address, "address").spec.lower()
        row = suppressing.entry(spec, scope_of(scope), reason, detail)
        return await self._home.ask(lambda log: suppressing.add(log, [row]))

    async def unsuppress(self, address: str, *, scope: str | None = None) -> int:
        """Let an address get mail again: of one scope, or (None) of every one; return how many entries went."""
        spec = Address.parse(address, "address").spec.lower()
        chosen = None if scope is None else scope_of(scope)
        return await self._home.ask(lambda log: suppressing.remove(log, spec, chosen))

    async def suppressions(
        self, *, address: str | None = None, limit: int = 100, after: Suppression | None = None
    ) -> list[Suppression]:
        """Return the list of suppressions, newest first, a page at a time: of one address, or of all."""
        spec = None if address is None else Address.parse(address, "address").spec.lower()
        return await self._home.ask(lambda log: suppressing.page(log, spec, limit, after))

    # -- what is heard later

    def leaving(self, token: str) -> Leaving:
        """Return whom the token of an unsubscribe link is about, and of which category; raise InvalidMessage."""
        if self._way_out is None:
            raise InvalidMessage("token: this application makes none: it has no unsubscribe_url")
        return self._way_out.read(token)

    async def unsubscribe(self, token: str) -> Leaving:
        """Let the recipient of an unsubscribe link's mail get no more of its category; raise InvalidMessage."""
        leaving = self.leaving(token)
        await self._home.ask(lambda log: feedback.leave(log, leaving))
        return leaving

    async def webhook(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Take in a report of the mail provider (Resend): a bounce, a complaint, a delivery.

        body, headers: of its request, as they came; the signature is checked with TORIL_MAIL_WEBHOOK_SECRET. Raises
        WebhookRefused (answer 401), InvalidMessage (400), StoreUnavailable (503: the provider will send it again).
        """
        secret = self._app.settings.mail_webhook_secret
        if secret is None:
            raise WebhookRefused("webhook: TORIL_MAIL_WEBHOOK_SECRET is not set")
        check_signature(secret.get_secret_value(), body, headers, self._clock.now())
        report = read_report(body)
        if report is not None:
            await self._home.ask(lambda log: feedback.hear(log, report))


async def _cancel(log: DeliveryLog, mail_id: str) -> bool:
    ids = [mail_id, *await lookup.copies(log, mail_id)]
    took = await asyncio.gather(*(log.cancel(one) for one in ids))
    return took[0]


async def _cancel_batch(log: DeliveryLog, batch: str) -> int:
    cancelled = 0
    while ids := await lookup.pending(log, batch, _SLICE):
        took = await asyncio.gather(*(log.cancel(one) for one in ids))
        cancelled += sum(took)
        if not any(took):
            break
    return cancelled


def _release(conditions: Sequence[ColumnElement[bool]], connection: Connection, now: int) -> int:
    return release_held(connection, conditions, now)


async def _retry(log: DeliveryLog, mail_id: str) -> EmailLog:
    mail = await log.find(mail_id)
    if mail is None:
        raise MailNotFound(f"the delivery log has no mail {mail_id}")
    if mail.recipient == forgetting.FORGOTTEN or not await log.retry(mail):
        raise WrongState(f"mail {mail_id} is {mail.status}: expected failed, unknown, cancelled or suppressed")
    return mail
