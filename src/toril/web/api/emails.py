"""Mail over HTTP: sending, the delivery log, what became of a message, and another try."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from toril.errors import ConfigurationError, MailNotFound
from toril.messaging import EmailLog, Mailer, Recipient, Status
from toril.web.api.attaching import AttachmentModel
from toril.web.api.queues import Model
from toril.web.api.table import Routes
from toril.web.auth import Principal
from toril.web.desk import Desk
from toril.web.gate import READ, READ_OR_SEND, SEND, TheDesk, Who
from toril.web.idempotency import IdempotencyKey, once
from toril.web.masking import shown_text
from toril.web.problems import Problem

__all__ = ["routes"]

MailId = Annotated[str, Path(min_length=1, max_length=100)]
Line = Annotated[str, Field(max_length=998)]  # RFC 5322's longest
routes = Routes("emails")


class EmailOut(BaseModel):
    """A message in the delivery log. Times are epoch milliseconds; nothing secret is among it."""

    id: str
    type: str
    recipient: str
    subject: str
    status: Status
    attempts: int
    error: str | None
    created_at: int
    send_at: int
    sent_at: int | None


class EventOut(BaseModel):
    """One line of a message's timeline."""

    at: int
    event: str
    attempt: int
    detail: str
    dialogue: list[str] = Field(
        description="Of an attempt that has ended: with whom (`= `), what was said (`> `) and answered (`< `).",
        examples=[["= smtp.example.com, port 587, a new connection", "< 421 4.3.2 Service shutting down"]],
    )


class EmailDetail(EmailOut):
    """A message with its timeline."""

    timeline: list[EventOut]


class EmailPage(BaseModel):
    """Messages, the newest first; `after`, if there is one, is what the next page is asked for with."""

    emails: list[EmailOut]
    after: str | None


class MailOptionsModel(Model):
    """What may be said of a message beside its type and recipient."""

    at: AwareDatetime | None = None
    delay: float | None = Field(None, ge=0, le=3_153_600_000, description="Seconds.")
    priority: int | None = Field(None, ge=0, le=2_097_151)
    locale: str | None = Field(None, max_length=35, examples=["vi"])
    subject: Line | None = None
    reply_to: Line | None = None
    headers: dict[str, Line] | None = Field(None, max_length=50)
    attachments: list[AttachmentModel] | None = Field(None, max_length=30)

    def options(self) -> dict[str, Any]:
        """Return them as the mailer takes them."""
        given = {name: getattr(self, name) for name in self.model_fields_set & MailOptionsModel.model_fields.keys()}
        if self.attachments is not None:
            given["attachments"] = [one.read() for one in self.attachments]
        return {name: value for name, value in given.items() if value is not None}


class NewEmail(MailOptionsModel):
    """A message to one recipient."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "type": "welcome",
                "to": "Ana Ruiz <ana@example.com>",
                "context": {"name": "Ana", "link": "https://shop.example.com/start"},
            }
        },
    )

    type: str = Field(min_length=1, max_length=255)
    to: Line
    context: dict[str, Any] = Field(default_factory=dict)
    cc: list[Line] | None = Field(None, max_length=50)
    bcc: list[Line] | None = Field(None, max_length=50)


class RecipientModel(Model):
    """One of many recipients: what differs from what all have in common."""

    to: Line
    context: dict[str, Any] | None = None
    locale: str | None = Field(None, max_length=35)
    subject: Line | None = None


class NewEmails(MailOptionsModel):
    """A message to each of up to 10,000 recipients."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "type": "promotion",
                "context": {"headline": "Spring sale"},
                "to": [{"to": "ana@example.com", "context": {"name": "Ana"}}],
                "dry_run": True,
            }
        },
    )

    type: str = Field(min_length=1, max_length=255)
    to: list[RecipientModel] = Field(min_length=1, max_length=10_000)
    context: dict[str, Any] = Field(default_factory=dict)
    dry_run: bool = Field(False, description="Write nothing, and tell what would be.")
    skip_invalid: bool = Field(False, description="Leave bad recipients out instead of accepting nothing.")


class TestEmail(Model):
    """A message type with its sample."""

    type: str = Field(min_length=1, max_length=255, examples=["welcome"])
    to: Line
    locale: str | None = Field(None, max_length=35)


class Accepted(BaseModel):
    """A message that was accepted."""

    id: str


class BatchOut(BaseModel):
    """What became of many; in a dry run, what would."""

    id: str
    total: int
    accepted: int
    suppressed: int
    duplicates: int
    invalid: list[tuple[int, str]] = Field(description="Places in the list, and what is wrong.")
    ids: list[str]


@routes.post("/emails", dependencies=SEND, status_code=202, response_model=Accepted)
async def send(desk: TheDesk, who: Who, body: NewEmail, key: IdempotencyKey = None) -> BaseModel:
    """Accept a message. Under an `Idempotency-Key` it is accepted once, for ever."""
    options = body.options() | {name: value for name in ("cc", "bcc") if (value := getattr(body, name))}

    async def act() -> Accepted:
        async with desk.audit.acting(who, "send", detail=body.type) as audit:
            handle = await _mailer(desk).send(
                body.type, to=body.to, context=body.context, key=_own_key(who, key), **options
            )
            audit.ids = [handle.id]
        return Accepted(id=handle.id)

    return await once(desk, who, key, body, Accepted, act)


@routes.post("/emails/batch", dependencies=SEND, status_code=202, response_model=BatchOut)
async def send_many(desk: TheDesk, who: Who, body: NewEmails, key: IdempotencyKey = None) -> BaseModel:
    """Accept a message for each of many recipients; all are checked first."""
    recipients = [Recipient(one.to, one.context, locale=one.locale, subject=one.subject) for one in body.to]

    async def act() -> BatchOut:
        async with desk.audit.acting(who, "send-many", detail=body.type) as audit:
            batch = await _mailer(desk).send_many(
                body.type,
                recipients,
                context=body.context,
                key=_own_key(who, key),
                dry_run=body.dry_run,
                invalid="skip" if body.skip_invalid else "raise",
                **body.options(),
            )
            audit.ids, audit.count = list(batch.ids[:1_000]), batch.accepted
        fields = {name: getattr(batch, name) for name in BatchOut.model_fields}
        return BatchOut(**fields)

    return await once(desk, who, key, body, BatchOut, act)


@routes.post("/emails/test", status_code=202, response_model=Accepted)
async def send_test(desk: TheDesk, who: Who, body: TestEmail) -> Any:
    """Send a message type with its sample, marked as a test. Refused outside development unless settings allow it."""
    async with desk.audit.acting(who, "send-test", detail=body.type) as audit:
        try:
            handle = await _mailer(desk).send_test(body.type, body.to, locale=body.locale)
        except ConfigurationError as error:
            raise Problem(403, "test-mail-refused", str(error)) from None
        audit.ids = [handle.id]
    return {"id": handle.id}


@routes.get("/emails", dependencies=READ, response_model=EmailPage)
async def list_emails(
    desk: TheDesk,
    who: Who,
    status: Status | None = None,
    type: Annotated[str | None, Query(max_length=255)] = None,  # noqa: A002
    recipient: Annotated[str | None, Query(max_length=320)] = None,
    batch: Annotated[str | None, Query(max_length=100)] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    after: Annotated[str | None, Query(max_length=200)] = None,
) -> Any:
    """List messages of the delivery log, the newest first."""
    page = await _mailer(desk).log(
        status=status, type=type, recipient=recipient, batch=batch, since=since, until=until, limit=limit, after=after
    )
    return {"emails": [_shown(mail, who) for mail in page.mails], "after": page.after}


@routes.get("/emails/{mail_id}", dependencies=READ_OR_SEND, response_model=EmailDetail)
async def get_email(desk: TheDesk, who: Who, mail_id: MailId) -> Any:
    """Show a message and what happened to it."""
    mail = await _find(desk, mail_id)
    events = await _mailer(desk).timeline(mail_id)
    timeline = [
        {"at": event.at, "event": event.event, "attempt": event.attempt, "detail": shown_text(event.detail, who)}
        | {"dialogue": [shown_text(line, who) for line in event.dialogue]}
        for event in events
    ]
    return {**_shown(mail, who), "timeline": timeline}


@routes.post("/emails/{mail_id}/retry", status_code=204)
async def retry(desk: TheDesk, who: Who, mail_id: MailId) -> None:
    """Let a message that has ended without being sent be tried anew; of `unknown`: send it again."""
    await _find(desk, mail_id)
    async with desk.audit.acting(who, "retry-mail", ids=[mail_id]) as audit:
        await _mailer(desk).retry(mail_id)
        audit.ids = [mail_id]


@routes.post("/emails/{mail_id}/cancel", status_code=204)
async def cancel(desk: TheDesk, who: Who, mail_id: MailId) -> None:
    """Take a message back that has not been sent."""
    await _find(desk, mail_id)
    async with desk.audit.acting(who, "cancel-mail", ids=[mail_id]) as audit:
        if not await _mailer(desk).cancel(mail_id):
            raise Problem(409, "too-late", "the message is being sent, or has ended already")
        audit.ids = [mail_id]


def _mailer(desk: Desk) -> Mailer:
    assert desk.mailer is not None  # without one these routes are not there
    return desk.mailer


async def _find(desk: Desk, mail_id: str) -> EmailLog:
    mail = await _mailer(desk).find(mail_id)
    if mail is None:
        raise MailNotFound(f"the delivery log has no mail {mail_id}")
    return mail


def _own_key(who: Principal, key: str | None) -> str | None:
    """Return the mailer's key for a caller's: two callers may use the same one."""
    return None if key is None else f"{who.name}:{key}"[:300]


def _shown(mail: EmailLog, who: Principal) -> dict[str, Any]:
    fields = {name: getattr(mail, name) for name in EmailOut.model_fields}
    hidden = {name: shown_text(fields[name], who) for name in ("recipient", "subject", "error") if fields[name]}
    return fields | hidden
