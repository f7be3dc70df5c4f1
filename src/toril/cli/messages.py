"""`toril mail`, the part about messages: list them, look at one, change what becomes of it, suppress, forget."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from toril.cli.output import fail, printable, say, show, show_found
from toril.wording import number_of

if TYPE_CHECKING:
    from toril.messaging import EmailEvent, EmailLog, Mailer

__all__ = ["messages"]

T = TypeVar("T")

messages = typer.Typer(help="Look after messages.")
Where = Annotated[str, typer.Argument(metavar="MAILER", help="Where the mailer is: module:name.")]
Mail = Annotated[str, typer.Argument(metavar="ID", help="The message's id.")]
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="A mail address.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Scope = Annotated[str, typer.Option(help="all; subscribed (all but transactional mail); or one category.")]


@messages.command("list")
def list_mails(
    mailer: Where,
    status: Annotated[str | None, typer.Option(help="Such as failed or unknown.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="A message type.")] = None,
    to: Annotated[str | None, typer.Option(help="A recipient.")] = None,
    key: Annotated[str | None, typer.Option(help="The key it was sent with.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Accepted then (UTC) or later.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)] = 20,
    after: Annotated[str | None, typer.Option(help="The id of the last one of the page before.")] = None,
    as_json: Json = False,
) -> None:
    """List messages, newest first.

    Example: toril mail list shop.jobs:mailer --status failed
    """
    moment = since.replace(tzinfo=UTC) if since else None
    page = _run(
        mailer,
        lambda found: found.log(
            status=status, type=kind, recipient=to, key=key, since=moment, limit=limit, after=after
        ),
    )
    show_found(
        [_line(mail) for mail in page.mails],
        as_json=as_json,
        document=[_row(mail) for mail in page.mails],
        nothing="no message matches",
        cut="error",
    )


@messages.command("show")
def show_mail(mailer: Where, mail_id: Mail, as_json: Json = False) -> None:
    """Print one message, its timeline, and what was said to the mail server in each attempt that has ended."""
    from toril.errors import MailNotFound

    async def read(found: Mailer) -> tuple[EmailLog, Sequence[EmailEvent]]:
        mail = await found.find(mail_id)
        if mail is None:
            raise MailNotFound(f"the delivery log has no mail {mail_id}")
        return mail, await found.timeline(mail_id)

    mail, events = _run(mailer, read)
    if as_json:
        lines = [{**_event(event), "dialogue": event.dialogue} for event in events]
        show([{**_row(mail), "timeline": lines}], as_json=True)
        return
    for name, value in _row(mail).items():
        if value is not None:
            typer.echo(f"{name.replace('_', ' '):<12}{printable(value)}")
    typer.echo()
    show([_event(event) for event in events], as_json=False)
    for event in events:
        if event.dialogue:
            typer.echo(f"\nattempt {event.attempt}, {event.event}")
        for line in event.dialogue:
            typer.echo(f"  {printable(line)}")


@messages.command("stats")
def stats(
    mailer: Where,
    hours: Annotated[int, typer.Option(help="Of so many hours until now.", min=1, max=744)] = 24,
    as_json: Json = False,
) -> None:
    """Print what became of the messages of each hour."""
    from datetime import timedelta

    from toril.messaging import Status

    since = datetime.now(UTC) - timedelta(hours=hours)
    found = _run(mailer, lambda found: found.hours(since=since))
    shown = [status for status in Status if as_json or any(hour.counts.get(status) for hour in found)]
    rows = [
        {"hour": f"{hour.start:%Y-%m-%d %H:%M}", "all": hour.total}
        | {status.value: hour.counts.get(status, 0) for status in shown}
        | {"sent %": None if hour.sent_rate is None else round(100 * hour.sent_rate, 1)}
        for hour in found
    ]
    show(rows, as_json=as_json)


@messages.command("retry")
def retry(mailer: Where, mail_id: Mail, as_json: Json = False) -> None:
    """Let a message that has ended without being sent be tried anew; an unknown one may then arrive twice."""
    _run(mailer, lambda found: found.retry(mail_id))
    say(f"{mail_id} will be tried again", {"id": mail_id}, as_json=as_json)


@messages.command("cancel")
def cancel(mailer: Where, mail_id: Mail, as_json: Json = False) -> None:
    """Take a message back that has not been sent; the exit code is 1 if it is too late."""
    if not _run(mailer, lambda found: found.cancel(mail_id)):
        fail(f"{mail_id} is being sent, has ended, or does not exist")
    say(f"{mail_id} is cancelled", {"id": mail_id}, as_json=as_json)


@messages.command("release")
def release(
    mailer: Where,
    kind: Annotated[str | None, typer.Option("--type", help="A message type.")] = None,
    to: Annotated[str | None, typer.Option(help="A recipient.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Accepted then (UTC) or later.")] = None,
    as_json: Json = False,
) -> None:
    """Let the messages that a restore holds be sent, each when it was due; some may then arrive twice."""
    moment = since.replace(tzinfo=UTC) if since else None
    number = _run(mailer, lambda found: found.release(type=kind, recipient=to, since=moment))
    say(f"{number_of(number, 'message')} released; a worker sends them", {"count": number}, as_json=as_json)


@messages.command("test")
def send_test(
    mailer: Where,
    name: Annotated[str, typer.Argument(metavar="TYPE", help="A message type.")],
    address: Address,
    locale: Annotated[str | None, typer.Option(help="A language tag such as vi.")] = None,
    as_json: Json = False,
) -> None:
    """Send a message type with its sample, marked as a test; a worker must serve the mailer's queue.

    Refused unless TORIL_ENVIRONMENT is development or TORIL_TEST_MAIL is true.
    """
    handle = _run(mailer, lambda found: found.send_test(name, address, locale=locale))
    say(f"{handle.id} is on its way; see toril mail show {mailer} {handle.id}", {"id": handle.id}, as_json=as_json)


@messages.command("suppress")
def suppress(
    mailer: Where,
    address: Address,
    scope: Scope = "all",
    reason: Annotated[str, typer.Option(help="Why, in a few words.")] = "by hand",
    as_json: Json = False,
) -> None:
    """Let an address get no more mail."""
    new = _run(mailer, lambda found: found.suppress(address, scope=scope, reason=reason))
    say("suppressed" if new else "it was suppressed before", {"new": new}, as_json=as_json)


@messages.command("unsuppress")
def unsuppress(
    mailer: Where,
    address: Address,
    scope: Annotated[str | None, typer.Option(help="Of one scope alone. Default: all of them.")] = None,
    as_json: Json = False,
) -> None:
    """Let an address get mail again."""
    count = _run(mailer, lambda found: found.unsuppress(address, scope=scope))
    say(f"{count:,} {'entry' if count == 1 else 'entries'} removed", {"count": count}, as_json=as_json)


@messages.command("suppressions")
def list_suppressions(
    mailer: Where,
    address: Annotated[str | None, typer.Option(help="Of one address.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)] = 100,
    as_json: Json = False,
) -> None:
    """List who gets no mail and why, newest first."""
    found = _run(mailer, lambda found: found.suppressions(address=address, limit=limit))
    rows = [{**one._asdict(), "created_at": _time(one.created_at)} for one in found]
    show_found(rows, as_json=as_json, nothing="no address is suppressed")


@messages.command("forget")
def forget(mailer: Where, address: Address, as_json: Json = False) -> None:
    """Erase what the delivery log knows of a person, for good; what waits for them is cancelled."""
    count = _run(mailer, lambda found: found.forget(address))
    say(f"{number_of(count, 'message')} erased", {"count": count}, as_json=as_json)


def _run(place: str, work: Callable[[Mailer], Awaitable[T]]) -> T:
    """Return what `work` returns for the mailer at `place`, with its application opened around it."""
    from toril.cli.loading import load_mailer

    mailer = load_mailer(place)

    async def run() -> T:
        async with mailer.app:
            return await work(mailer)

    return asyncio.run(run())


def _line(mail: EmailLog) -> dict[str, Any]:
    return {
        "id": mail.id,
        "status": mail.status,
        "type": mail.type,
        "recipient": mail.recipient,
        "accepted": f"{datetime.fromtimestamp(mail.created_at / 1000, UTC):%m-%d %H:%M}",
        "error": mail.error,
    }


def _row(mail: EmailLog) -> dict[str, Any]:
    return {
        "id": mail.id,
        "type": mail.type,
        "recipient": mail.recipient,
        "subject": mail.subject,
        "status": mail.status,
        "attempts": mail.attempts,
        "error": mail.error,
        "created_at": _time(mail.created_at),
        "sent_at": _time(mail.sent_at),
    }


def _event(event: EmailEvent) -> dict[str, Any]:
    return {"at": _time(event.at), "event": event.event, "attempt": event.attempt, "detail": event.detail}


def _time(moment: int | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment / 1000, UTC).isoformat(" ", "milliseconds")[:23]
