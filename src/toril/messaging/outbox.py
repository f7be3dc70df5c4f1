"""Mailer: a message is a row first and a job second, so that nothing accepted is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Unpack, overload

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from toril import Exponential, Fixed, JobContext, Toril
from toril.checks import whole
from toril.errors import ConfigurationError
from toril.messaging.accepting import Acceptance
from toril.messaging.brand import Brand
from toril.messaging.bulk import BulkOptions, Recipient, draft
from toril.messaging.composer import Composer
from toril.messaging.delivery import DeliveryLog
from toril.messaging.handle import Batch, MailHandle
from toril.messaging.home import Home
from toril.messaging.ids import new_id
from toril.messaging.intake import Intake, MailOptions
from toril.messaging.keys import Keys
from toril.messaging.limits import MailLimits
from toril.messaging.maintenance import keep_tidy
from toril.messaging.message import Context, MessageType
from toril.messaging.policy import Policies, Policy
from toril.messaging.preview import sample
from toril.messaging.relay import Relay, sending_tasks
from toril.messaging.sender import OnPermanentFailure, Sender
from toril.messaging.sessions import check_session
from toril.messaging.transport import Transport, guarded
from toril.messaging.verbs import MailVerbs
from toril.messaging.wiring import composer_of, log_of, transport_of, way_out_of

__all__ = ["Mailer"]


class Mailer(MailVerbs):
    """Sends typed messages by e-mail.

    app: whose queues carry the wake-ups. transport: a URL (see `transport_from_url`) or a Transport.
    queue: the name of the queue of transactional mail; subscribed mail has `<queue>-bulk`, so that it delays nobody.
    attempts: tries at most, the first included. backoff: the seconds between them. Both can be set for each type with
    `override`; by default a server may put a mail off for more than a day.
    from_address: `Shop <shop@example.com>`. templates: a folder of your own.
    brand: how mails show the sender; by default its name, with what the TORIL_BRAND_… settings say.
    log_url: the database of the delivery log; default: beside the store, `jobs.db` → `jobs-mail.db`.
    keep_days: how long rows that have ended are kept; 0: for ever. unsubscribe_url: the page behind the links of
    subscribed mail, see `toril.messaging.endpoints`. max_attachments: bytes of one mail's files. private_hosts: those
    whose links, given as attachments, may lead to an address that is not public.
    limits: how fast mail goes (see MailLimits). on_permanent_failure: called in the worker with the row of each mail
    that has failed for good, once; what it raises is logged.

    What is None comes from the application's settings. Nothing is opened before the first use. Raises
    ConfigurationError, InvalidSettings, InvalidAddress, InvalidOption.
    """

    def __init__(
        self,
        app: Toril,
        transport: str | Transport | None = None,
        *,
        from_address: str | None = None,
        queue: str = "email-queue",
        attempts: int | None = None,
        backoff: Fixed | Exponential | None = None,
        templates: str | Path | None = None,
        brand: Brand | None = None,
        log_url: str | None = None,
        keep_days: int | None = None,
        unsubscribe_url: str | None = None,
        max_attachments: int = 10_000_000,
        private_hosts: Collection[str] = (),
        limits: MailLimits = MailLimits(),  # noqa: B008  (frozen)
        on_permanent_failure: OnPermanentFailure | None = None,
    ) -> None:
        self._app, self._clock = app, app.clock
        self._transport = guarded(transport_of(app, transport))
        self.transports = self._transport.parts()  # in the order in which they are tried
        self._url = log_of(app, log_url)
        self._usual = Policy().changed(attempts, backoff)
        self._policies = Policies(self._usual)
        keys = Keys(app.settings.secret_keys)
        self._way_out = way_out_of(app, keys, unsubscribe_url)
        self._composer = composer_of(app, from_address, templates, brand, keys, self._way_out)
        self._intake = Intake(
            self._composer, keys, self._policies, whole(0)("max_attachments", max_attachments), private_hosts
        )
        self._home = Home(app, self._url, self._transport)
        self._keep_days = whole(0)("keep_days", app.settings.mail_keep_days if keep_days is None else keep_days)
        self._relay = self._declare(queue, limits, on_permanent_failure)
        self._acceptance = Acceptance(app, self._home, self._relay, self._intake, self._url)

    # -- inside, when it is made

    def _declare(self, queue: str, limits: MailLimits, on_failed: OnPermanentFailure | None) -> Relay:
        """Tell the application what its workers run."""
        app, composer = self._app, self._composer
        sender = Sender(
            self._transport, composer, app.clock, self._policies, limits=limits, on_permanent_failure=on_failed
        )

        async def send_email(job: JobContext, id: str) -> None:  # noqa: A002  (the job's data: {"id": …})
            await sender.run(job, id, self._home.log)

        tasks = sending_tasks(app, queue, self._usual, send_email)
        self.queues = {kind: task.queue.name for kind, task in tasks.items()}  # whose jobs send mails of a kind
        relay = Relay(app, tasks)
        relay.on_failed = sender.failed
        for name in self.queues.values():
            app.service(self._serve, queue=name)
        app.on_close(self._home.close)
        return relay

    # -- declaring

    @property
    def app(self) -> Toril:
        """The application that it belongs to."""
        return self._app

    @property
    def composer(self) -> Composer:
        """Its message types and their templates."""
        return self._composer

    def register(self, kind: MessageType[Any] | type[Context]) -> None:
        """Make a message type of your own known, in every process that sends or works.

        Raises ConfigurationError if its template is missing or at fault, or if its name is taken.
        """
        self._composer.register(kind)

    def override(
        self,
        name: str,
        *,
        attempts: int | None = None,
        backoff: Fixed | Exponential | None = None,
        priority: int | None = None,
    ) -> None:
        """Let the messages of one type be tried otherwise, in every process that sends or works.

        None: as the mailer's others. priority: 0 none, taken first; 1 highest … 2,097,151 lowest. Raises
        UnknownTemplate, InvalidOption.
        """
        self._policies.set(self._composer.find(name).name, self._usual.changed(attempts, backoff, priority))

    async def open(self) -> None:
        """Open the delivery log and make its tables if they are missing; else the first use does."""
        await self._home.ask(DeliveryLog.open)

    # -- sending

    @overload
    async def send(
        self,
        message: str,
        *,
        to: str,
        context: Mapping[str, Any] | BaseModel,
        key: str | None = None,
        session: AsyncSession | None = None,
        **options: Unpack[MailOptions],
    ) -> MailHandle: ...
    @overload
    async def send(
        self,
        message: BaseModel,
        *,
        to: str,
        key: str | None = None,
        session: AsyncSession | None = None,
        **options: Unpack[MailOptions],
    ) -> MailHandle: ...
    async def send(
        self,
        message: str | BaseModel,
        *,
        to: str,
        context: Mapping[str, Any] | BaseModel | None = None,
        key: str | None = None,
        session: AsyncSession | None = None,
        **options: Unpack[MailOptions],
    ) -> MailHandle:
        """Accept a message and return its handle; it goes out by way of the queue.

        message: the type's name, with the `context` that its template uses; or that context itself, typed:
        `send(Welcome(name="Ana"), to=…)`. to: `ana@example.com` or `Ana Ruiz <ana@example.com>`.
        key: your own name for this message: it is accepted once under a key, for ever, and who repeats the call gets
        the first one's handle. session: a session of SQLAlchemy's on the log's own database; the message belongs to its
        transaction, and is sent if that is committed. options: see MailOptions.

        Once it returns (with a session: once that is committed), the message will be sent, even if the job store is
        down now. Raises UnknownTemplate, InvalidAddress, InvalidContext, InvalidMessage, InvalidOption, KeyConflict
        (the key was used for other content), and StoreUnavailable if the delivery log cannot be written.
        """
        check_session(session, blocking=False)
        if session is None:
            return await self._send(message, to, context, key, options)
        mails = await self._intake.one(message, to, context, key, self._clock.now(), options)
        await self.open()
        return MailHandle(await session.run_sync(self._acceptance.within, mails), self)

    @overload
    def send_sync(
        self,
        message: str,
        *,
        to: str,
        context: Mapping[str, Any] | BaseModel,
        key: str | None = None,
        session: Session | None = None,
        **options: Unpack[MailOptions],
    ) -> MailHandle: ...
    @overload
    def send_sync(
        self,
        message: BaseModel,
        *,
        to: str,
        key: str | None = None,
        session: Session | None = None,
        **options: Unpack[MailOptions],
    ) -> MailHandle: ...
    def send_sync(
        self,
        message: str | BaseModel,
        *,
        to: str,
        context: Mapping[str, Any] | BaseModel | None = None,
        key: str | None = None,
        session: Session | None = None,
        **options: Unpack[MailOptions],
    ) -> MailHandle:
        """Do what `send` does from blocking code: Django, Flask, scripts. Raises LoopRunning on a loop's thread."""
        check_session(session, blocking=True)
        if session is None:
            return self._app.run(self._send(message, to, context, key, options))
        mails = self._app.run(self._intake.one(message, to, context, key, self._clock.now(), options))
        self._app.run(self.open())
        return MailHandle(self._acceptance.within(session, mails), self)  # on the session's own thread

    async def send_many(self, message: str, to: Iterable[str | Recipient], **options: Unpack[BulkOptions]) -> Batch:
        """Accept one message for each of many recipients.

        message: the type's name. to: addresses, or Recipients with what is theirs alone. options: see BulkOptions.

        All are checked before the first is written; rows are written and jobs added a thousand at a time. Raises what
        `send` raises, and PartlySent if the log fails on the way.
        """
        now = self._clock.now()
        batch = new_id(now)
        common = await self._intake.common(message, now, options, batch)
        drafts = await draft(self._intake, common, to, options)
        if options.get("dry_run"):
            await self._acceptance.none(drafts)
        else:
            await self._acceptance.many(drafts, options.get("progress"))
        return Batch.of(drafts, batch, self)

    def send_many_sync(self, message: str, to: Iterable[str | Recipient], **options: Unpack[BulkOptions]) -> Batch:
        """Do what `send_many` does from blocking code. Raises LoopRunning on a loop's thread."""
        return self._app.run(self.send_many(message, to, **options))

    async def send_test(self, name: str, to: str, *, locale: str | None = None) -> MailHandle:
        """Send a message type with its sample, by the same way as any, marked as a test in its subject and log.

        locale: of the recipient, such as `vi`. Raises what `send` raises, and ConfigurationError outside of
        development unless TORIL_TEST_MAIL allows it.
        """
        settings = self._app.settings
        if settings.environment != "development" and not settings.test_mail:
            raise ConfigurationError("test mail: expected TORIL_ENVIRONMENT=development or TORIL_TEST_MAIL=true")
        templates, kind = self._composer.templates, self._composer.find(name)
        context = sample(kind, templates, locale or templates.locale)
        subject = f"[Test] {templates.load(kind, locale).render_subject(context)}"
        options: MailOptions = {"subject": subject, "locale": locale}
        common = await self._intake.common(name, self._clock.now(), options, test=True)
        return MailHandle(await self._acceptance.one(self._intake.mails(common, to, context)), self)

    # -- inside

    async def _send(
        self, message: str | BaseModel, to: str, context: object, key: str | None, options: MailOptions
    ) -> MailHandle:
        mails = await self._intake.one(message, to, context, key, self._clock.now(), options)
        return MailHandle(await self._acceptance.one(mails), self)

    async def _serve(self) -> None:
        async with self._home.stay() as log, asyncio.TaskGroup() as group:
            group.create_task(self._relay.run(log))
            group.create_task(keep_tidy(log, self._keep_days))
