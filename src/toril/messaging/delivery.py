"""The delivery log: where each message stands, and every step of its life as one conditional update."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, TextClause, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from toril.clock import Clock
from toril.errors import StoreUnavailable
from toril.messaging.changes import Add, Change, Edge, In, Mark, apply, weigh
from toril.messaging.claiming import NET, claim
from toril.messaging.database import cause, open_engine, run_query
from toril.messaging.files import FileReader
from toril.messaging.inserting import NewMail
from toril.messaging.mime import Part
from toril.messaging.models import FINAL, EmailLog, Query, Status
from toril.messaging.reader import Found, RowReader
from toril.messaging.restoring import hold_unfinished
from toril.messaging.transactions import writer_and_reader
from toril.messaging.transport import Transcript
from toril.messaging.writer import LogWriter

__all__ = ["NET", "Attempt", "DeliveryLog"]

R = TypeVar("R")

CALLER = 0.9  # seconds that somebody who sends a mail waits for the log
BEGIN = 10.0  # seconds that a sender waits before it gives up an attempt that has not begun
OUTCOME = 120.0  # seconds for which an outcome is tried to be written; after them the row says `unknown`

_NEVER_SENT = tuple(FINAL - {Status.SENT})
_SENDING, _PENDING, _UNKNOWN = (Status.SENDING,), (Status.PENDING,), (Status.UNKNOWN,)
_SENT = (("status", Status.SENT), ("sent_at", In(0)), ("look_at", None), ("give_up_at", None), ("error", None))


@dataclass(slots=True)
class Attempt:
    """One try to send a mail. It may write only while the row still carries its number."""

    mail_id: str
    number: int
    begun: bool = False
    transcript: Transcript = field(default_factory=Transcript)

    @property
    def fence(self) -> int:
        """What `attempts` of the row must be."""
        return self.number if self.begun else self.number - 1

    @property
    def leaves(self) -> tuple[Status, ...]:
        """The state that it ends."""
        return _SENDING if self.begun else _PENDING


class DeliveryLog:
    """The tables `email_logs` and `email_events` on one event loop. Opened at the first use.

    Its methods raise StoreUnavailable when the database does not answer.
    """

    def __init__(self, url: URL, clock: Clock) -> None:
        self._url, self._clock = url, clock
        self._opening = asyncio.Lock()
        self._engine: AsyncEngine | None = None
        self._asking: set[asyncio.Future[Sequence[Any]]] = set()

    @property
    def sqlite(self) -> bool:
        """Whether its database is SQLite."""
        return self._url.get_backend_name() == "sqlite"

    async def open(self) -> None:
        """Connect and bring the schema up to date."""
        async with self._opening:
            if self._engine is None:
                engine = await open_engine(self._url)
                self._transactions, self._reads = writer_and_reader(self._url, engine)
                self._writer = LogWriter[Change](self._transactions, self._apply, weigh)
                self._reader = RowReader(self._reads)
                self._files = FileReader(self.read)
                self._engine = engine

    async def close(self) -> None:
        """Write what is waiting and disconnect."""
        async with self._opening:
            if self._engine is not None:
                await self._writer.close()
                if self._asking:
                    await asyncio.wait(self._asking)
                await self._transactions.close()
                await self._reads.close()
                await self._engine.dispose()
                self._engine = None

    # -- a message's life

    async def add(self, *mails: NewMail) -> set[str]:
        """Write new rows, all or none; return the ids of those that were not, because their key was used before."""
        add = Add(mails)
        await self._write(add, CALLER)
        return add.refused

    async def begin(self, attempt: Attempt, limit: float) -> bool:
        """Let `attempt` send for `limit` seconds; False if the row is no longer as it was read."""
        edge = Edge(
            _PENDING,
            (
                ("status", Status.SENDING),
                ("attempts", attempt.number),
                ("look_at", In(limit + NET)),
                ("give_up_at", In(limit)),
            ),
        )
        took = await self._write(_mark(attempt, edge, ("attempt", "")), BEGIN)
        attempt.begun = attempt.begun or took
        return took

    async def sent(self, attempt: Attempt, reply: str) -> None:
        """The server took the mail. Too late for this attempt's number, it is noted, and `unknown` is known."""
        # `pending` with this number: given up as unknown, and not yet sent again.
        edge = Edge((*_SENDING, *_PENDING, *_UNKNOWN), _SENT)
        if await self._write(_mark(attempt, edge, _told("sent", reply, attempt)), OUTCOME):
            return
        told = _told("sent", f"late: {reply}", attempt)
        late = Mark(attempt.mail_id, None, Edge(_UNKNOWN, _SENT), (told,), attempt.number)
        if not await self._write(late, OUTCOME):
            note = (_told("late reply", reply, attempt),)
            await self._write(Mark(attempt.mail_id, None, None, note, attempt.number), OUTCOME)

    async def deferred(self, attempt: Attempt, error: str, wait: float) -> bool:
        """The attempt failed before the mail was accepted; the next one is in `wait` seconds."""
        edge = Edge(attempt.leaves, _again(attempt, error, wait))
        told = _told("deferred", f"{error} (again in {wait:g} s)", attempt)
        return await self._write(_mark(attempt, edge, told), OUTCOME)

    async def postponed(self, attempt: Attempt, error: str, wait: float, forgiven: int) -> bool:
        """The server has too much to do: another offer in `wait` seconds; `forgiven` attempts do not count any more."""
        edge = Edge(attempt.leaves, (*_again(attempt, error, wait), ("forgiven", forgiven)))
        told = _told("deferred", f"{error} (again in {wait:g} s, no attempt used)", attempt)
        return await self._write(_mark(attempt, edge, told), OUTCOME)

    async def failed(self, attempt: Attempt, error: str) -> bool:
        """The mail will not be sent."""
        edge = Edge(attempt.leaves, _ended(attempt.number, Status.FAILED, error))
        return await self._write(_mark(attempt, edge, _told("failed", error, attempt)), OUTCOME)

    async def unknown(self, attempt: Attempt, error: str, resend_in: float | None) -> bool:
        """No answer came after the mail was handed over. `resend_in` seconds it goes again; None: it is held."""
        told = _told("unknown", error, attempt)
        if resend_in is None:
            edge = Edge(_SENDING, _ended(attempt.number, Status.UNKNOWN, error))
            return await self._write(_mark(attempt, edge, told, ("held", "")), OUTCOME)
        edge = Edge(_SENDING, _again(attempt, error, resend_in))
        resend = ("resend", f"in {resend_in:g} s, with the same Message-ID")
        return await self._write(_mark(attempt, edge, told, resend), OUTCOME)

    async def suppressed(self, mail: EmailLog, why: str) -> bool:
        """The recipient must not get it."""
        edge = Edge(_PENDING, _ended(mail.attempts, Status.SUPPRESSED, why), tried=False)
        return await self._write(Mark(mail.id, mail.attempts, edge, (("suppressed", why),)), OUTCOME)

    async def abandoned(self, mail: EmailLog, error: str) -> bool:
        """The job of a mail failed for good without ending its row: end it as it was read."""
        being_sent = mail.status == Status.SENDING
        status = Status.UNKNOWN if being_sent else Status.FAILED
        edge = Edge((Status(mail.status),), _ended(mail.attempts, status, error), tried=False)
        return await self._write(Mark(mail.id, mail.attempts, edge, ((status.value, error),), mail.attempts), OUTCOME)

    async def cancel(self, mail_id: str) -> bool:
        """Take a mail back; False if it is being sent or has ended already."""
        edge = Edge(_PENDING, (("status", Status.CANCELLED), ("look_at", None)), tried=False)
        return await self._write(Mark(mail_id, None, edge, (("cancelled", ""),)), CALLER)

    async def hold_unfinished(self, reason: str) -> int:
        """Hold every mail that is not final as `unknown`, because nobody knows what became of it; return how many.

        For a log that was restored from a backup: what was sent since stands there as `pending`.
        """
        return await self.transact(lambda connection, now: hold_unfinished(connection, reason, now))

    async def retry(self, mail: EmailLog) -> bool:
        """Let a mail that has ended without being sent be tried anew, all its attempts before it again."""
        values = (
            ("status", Status.PENDING),
            ("forgiven", mail.attempts),
            ("error", None),
            ("send_at", In(0)),
            ("look_at", In(NET)),
        )
        edge = Edge(_NEVER_SENT, values, tried=False)
        return await self._write(Mark(mail.id, mail.attempts, edge, (("retried", ""),), mail.attempts), CALLER)

    async def bounced(self, mail: EmailLog, why: str) -> bool:
        """A server took the mail and could not deliver it."""
        values = (("status", Status.FAILED), ("error", f"bounced: {why}"))
        edge = Edge((Status.SENT, Status.UNKNOWN), values, tried=False)
        return await self._write(Mark(mail.id, mail.attempts, edge, (("bounced", why),), mail.attempts), CALLER)

    async def note(self, mail: EmailLog, event: str, detail: str) -> None:
        """Write a line into the timeline of a mail."""
        await self._write(Mark(mail.id, None, None, ((event, detail),), mail.attempts), CALLER)

    # -- looking

    async def look(self, mail_id: str) -> Found | None:
        """Return a row as it stands now and whether it must not be sent, or None: for many that only look."""
        await self._ready()
        return await self._reader.find(mail_id)

    async def find(self, mail_id: str) -> EmailLog | None:
        """Return a row as it stands now, or None."""
        rows = await self.read(select(EmailLog).where(EmailLog.id == mail_id))
        return rows[0][0] if rows else None

    async def files(self, mail: EmailLog) -> list[Part]:
        """Return what is attached to a mail."""
        return await self._files.read(mail.id)

    async def read(self, query: Query | TextClause) -> Sequence[Any]:
        """Return what a query finds."""
        await self._ready()
        assert self._engine is not None
        # A worker that stops cancels its relay, and a driver that is cancelled in a query gives its connection up.
        asking = asyncio.ensure_future(run_query(self._engine, query))
        self._asking.add(asking)
        asking.add_done_callback(self._asked)
        return await asyncio.shield(asking)

    def _asked(self, asking: asyncio.Future[Sequence[Any]]) -> None:
        self._asking.discard(asking)
        if not asking.cancelled():
            asking.exception()  # heard, even if who asked has gone

    async def transact(self, work: Callable[[Connection, int], R]) -> R:
        """Return what `work`, a function of a connection and the time, has done in a transaction of its own."""
        await self._ready()
        try:
            return await self._transactions.run(lambda connection: work(connection, self._clock.now()))
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable(f"the delivery log could not be written: {cause(error)}") from None

    async def claim_due(self, limit: int) -> Sequence[EmailLog]:
        """Return up to `limit` rows whose `look_at` has come, and move it, so that nobody else looks meanwhile."""
        now = self._clock.now()
        due = select(EmailLog).where(EmailLog.look_at <= now).order_by(EmailLog.look_at).limit(limit)
        return await self.transact(partial(claim, due)) if await self.read(due.limit(1)) else ()

    # -- inside

    async def _ready(self) -> None:
        if self._engine is None:
            await self.open()

    async def _write(self, change: Change, limit: float) -> bool:
        await self._ready()
        return await self._writer.write(change, limit)

    def _apply(self, connection: Connection, changes: Sequence[Change]) -> list[bool]:
        return apply(connection, changes, self._clock.now())


def _mark(attempt: Attempt, edge: Edge, *events: tuple[str, str]) -> Mark:
    return Mark(attempt.mail_id, attempt.fence, edge, events, attempt.number)


def _told(event: str, detail: str, attempt: Attempt) -> tuple[str, str]:
    return event, attempt.transcript.below(detail)


def _again(attempt: Attempt, error: str, wait: float) -> tuple[tuple[str, Any], ...]:
    return (
        ("status", Status.PENDING),
        ("attempts", attempt.number),
        ("error", error),
        ("send_at", In(wait)),
        ("look_at", In(wait + NET)),
        ("give_up_at", None),
    )


def _ended(attempts: int, status: Status, error: str) -> tuple[tuple[str, Any], ...]:
    return (
        ("status", status),
        ("attempts", attempts),
        ("error", error),
        ("look_at", None),
        ("give_up_at", None),
    )
