"""Mailer: a message is a row first and a job second, so that nothing accepted is lost."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlalchemy import URL

from toril import Exponential, Fixed, JobContext, Toril
from toril.errors import ConfigurationError, InvalidOption, StoreError
from toril.messaging.address import Address
from toril.messaging.brand import Brand
from toril.messaging.composer import Composer
from toril.messaging.database import default_url, log_url
from toril.messaging.delivery import NET
from toril.messaging.home import Home
from toril.messaging.message import Context, MessageType
from toril.messaging.models import EmailEvent, EmailLog, Status
from toril.messaging.relay import TASK, Relay
from toril.messaging.sender import Sender
from toril.messaging.templates import Templates
from toril.messaging.transport import Transport, transport_from_url

__all__ = ["MailHandle", "Mailer"]

log = logging.getLogger("toril.mail")

LOWEST_PRIORITY = 2**21 - 1


class Mailer:
    """Sends typed messages by e-mail.

    app: whose queue carries the wake-ups. transport: a URL (see `transport_from_url`) or a Transport.
    queue: the name of the queue; workers that serve it send. attempts: tries at most, the first included.
    backoff: the seconds between them. from_address: `Shop <shop@example.com>`. templates: a folder of your own.
    brand: how mails show the sender; by default its name, with what the TORIL_BRAND_… settings say.
    log_url: the database of the delivery log; default: beside the store, `jobs.db` → `jobs-mail.db`.

    What is None comes from the application's settings. Nothing is opened before the first use. Raises
    ConfigurationError, InvalidSettings, InvalidAddress.
    """

    def __init__(
        self,
        app: Toril,
        transport: str | Transport | None = None,
        *,
        from_address: str | None = None,
        queue: str = "emails",
        attempts: int = 5,
        backoff: Fixed | Exponential = Exponential(5.0, jitter=0.2),  # noqa: B008  (frozen)
        templates: str | Path | None = None,
        brand: Brand | None = None,
        log_url: str | None = None,
    ) -> None:
        self._app = app
        self.queue = queue
        """The name of the queue that carries its wake-ups."""
        self._transport = _transport(app, transport)
        address = _sender(app, from_address)
        brand = brand or Brand.of(app.settings, address.name or address.domain)
        folder = templates or app.settings.templates
        self._composer = Composer(address, Templates(folder, brand=brand, locale=app.settings.locale))
        self._home = Home(app, _log_url(app, log_url), self._transport)
        self._relay = Relay(app.queue(queue))
        sender = Sender(self._transport, self._composer, app.clock, _whole("attempts", attempts, 1, 1000), backoff)

        async def send_email(job: JobContext, id: str) -> None:  # noqa: A002  (the job's data: {"id": …})
            await sender.run(job, id, self._home.log)

        # The row counts attempts; the job's own are for faults in between.
        app.task(name=TASK, queue=queue, attempts=5, backoff=backoff, keep_completed=0)(send_email)
        app.service(self._serve, queue=queue)
        app.on_close(self._home.close)

    @property
    def transport(self) -> Transport:
        """What carries its mails out."""
        return self._transport

    @property
    def composer(self) -> Composer:
        """Its message types and their templates."""
        return self._composer

    def register(self, kind: MessageType[Any] | type[Context]) -> None:
        """Make a message type of your own known, in every process that sends or works.

        Raises ConfigurationError if its template is missing or at fault, or if its name is taken.
        """
        self._composer.register(kind)

    async def send(
        self,
        name: str,
        *,
        to: str,
        context: Mapping[str, Any] | BaseModel,
        at: datetime | None = None,
        delay: float | timedelta | None = None,
        priority: int | None = None,
    ) -> MailHandle:
        """Accept a message and return its handle; it goes out by way of the queue.

        name: the message type. to: `ana@example.com` or `Ana Ruiz <ana@example.com>`. context: what the type's
        template uses. at: the moment (with a time zone) before which it does not go; delay: seconds or a timedelta
        instead. priority: 0 none, taken first; 1 highest … 2,097,151 lowest; default: the type's.

        Once it returns, the message will be sent, even if the job store is down now. Raises UnknownTemplate,
        InvalidAddress, InvalidContext, InvalidOption, and StoreUnavailable if the delivery log cannot be written.
        """
        now = self._app.clock.now()
        mail = self._composer.row(name, to, context, now, _send_at(now, at, delay))
        if priority is not None:
            mail.priority = _whole("priority", priority, 0, LOWEST_PRIORITY)
        if mail.send_at > now:  # the relay offers it when it is due, so that nothing waits for weeks in a queue
            await self._home.ask(lambda log: log.add(mail, f"for {_readable(mail.send_at)}"))
            return MailHandle(mail.id, self)
        mail.look_at = now + round(NET * 1000)
        await self._home.ask(lambda log: log.add(mail))
        try:
            await self._relay.offer(mail)
        except StoreError as error:
            log.warning("mail %s waits for the relay: %s", mail.id, error)
        return MailHandle(mail.id, self)

    def send_sync(
        self,
        name: str,
        *,
        to: str,
        context: Mapping[str, Any] | BaseModel,
        at: datetime | None = None,
        delay: float | timedelta | None = None,
        priority: int | None = None,
    ) -> MailHandle:
        """Do what `send` does from blocking code: Django, Flask, scripts. Raises LoopRunning on a loop's thread."""
        return self._app.run(self.send(name, to=to, context=context, at=at, delay=delay, priority=priority))

    async def find(self, mail_id: str) -> EmailLog | None:
        """Return the row of a message, or None."""
        return await self._home.ask(lambda log: log.find(mail_id))

    async def newest(self, limit: int = 100) -> Sequence[EmailLog]:
        """Return the rows of the messages that were accepted last, newest first."""
        return await self._home.ask(lambda log: log.newest(limit))

    async def timeline(self, mail_id: str) -> Sequence[EmailEvent]:
        """Return what happened to a message, oldest first."""
        return await self._home.ask(lambda log: log.timeline(mail_id))

    async def counts(self) -> dict[str, int]:
        """Return how many messages are in each status."""
        return await self._home.ask(lambda log: log.counts())

    async def cancel(self, mail_id: str) -> bool:
        """Take a message back; False if it is being sent or has ended already."""
        return await self._home.ask(lambda log: log.cancel(mail_id))

    async def _serve(self) -> None:
        async with self._home.stay() as log:
            await self._relay.run(log)


@dataclass(frozen=True, slots=True)
class MailHandle:
    """A message that was accepted; `id` is that of its row."""

    id: str
    _mailer: Mailer

    @property
    def job_id(self) -> str:
        """The id of the job that sends it, while there is one."""
        return self.id

    async def status(self) -> Status:
        """Return where it stands now."""
        mail = await self._mailer.find(self.id)
        if mail is None:
            raise LookupError(f"the delivery log has no mail {self.id}")
        return Status(mail.status)

    async def timeline(self) -> Sequence[EmailEvent]:
        """Return what happened to it, oldest first."""
        return await self._mailer.timeline(self.id)

    async def cancel(self) -> bool:
        """Take it back; False if it is being sent or has ended already."""
        return await self._mailer.cancel(self.id)


def _transport(app: Toril, given: str | Transport | None) -> Transport:
    chosen = given if given is not None else app.settings.mail_url
    if chosen is None:
        raise ConfigurationError("transport: expected a URL such as smtp://localhost:1025, or MAIL_HOST to be set")
    return transport_from_url(chosen) if isinstance(chosen, str) else chosen


def _sender(app: Toril, given: str | None) -> Address:
    chosen = given or app.settings.mail_from
    if chosen is None:
        raise ConfigurationError("from_address: expected an address, or MAIL_FROM_ADDRESS to be set")
    return Address.parse(chosen, "from_address")


def _log_url(app: Toril, given: str | None) -> URL:
    configured = app.settings.mail_log_url
    chosen = given or (configured.get_secret_value() if configured else None)
    return log_url(chosen or default_url(app.url))


def _whole(name: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidOption(f"{name}: expected a whole number from {low} to {high:,}, got {value!r}")
    return value


def _send_at(now: int, at: datetime | None, delay: float | timedelta | None) -> int:
    """Return the epoch milliseconds before which a mail does not go."""
    if at is not None and delay is not None:
        raise InvalidOption("at, delay: expected one of them, got both")
    if at is not None:
        if not isinstance(at, datetime) or at.tzinfo is None:
            raise InvalidOption(f"at: expected a datetime with a time zone, got {at!r}")
        return max(now, round(at.timestamp() * 1000))
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay or 0.0
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < math.inf:
        raise InvalidOption(f"delay: expected seconds (0 or more) or a timedelta, got {delay!r}")
    return now + round(seconds * 1000)


def _readable(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(" ", "seconds")
