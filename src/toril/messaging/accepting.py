"""Rows first, then jobs: what is accepted is in the delivery log, whatever becomes of the job store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from sqlalchemy import URL, select
from sqlalchemy.orm import Session

from toril import Toril
from toril.errors import KeyConflict, PartlySent, StoreUnavailable
from toril.log import MAIL_QUEUED
from toril.messaging.bulk import Drafts, Progress, leave_out, slices, suppress
from toril.messaging.delivery import NET, DeliveryLog
from toril.messaging.home import Home
from toril.messaging.inserting import NewMail
from toril.messaging.intake import Intake
from toril.messaging.models import EmailKey, EmailLog, Status
from toril.messaging.relay import Relay
from toril.messaging.sessions import add_in, after_commit

__all__ = ["Acceptance"]


class Acceptance:
    """Writes the rows of checked messages and offers their jobs. url: the delivery log's."""

    def __init__(self, app: Toril, home: Home, relay: Relay, intake: Intake, url: URL) -> None:
        self._app, self._home, self._relay, self._intake, self._url = app, home, relay, intake, url
        self._offers: set[asyncio.Task[None]] = set()

    async def one(self, mails: Sequence[NewMail]) -> str:
        """Accept a message, with its copies, and return its id, or that of the one that used its key before.

        Raises KeyConflict, StoreUnavailable.
        """
        due = self._due(mails)
        if await self._home.ask(lambda log: log.add(*mails)):
            return self._same(mails[0], *await self._home.ask(partial(_user_of, new=mails[0])))
        _tell(mails)
        await self._offer(due)
        return mails[0].mail.id

    def within(self, session: Session, mails: Sequence[NewMail]) -> str:
        """Do so in the session's transaction, and offer the jobs when it is committed; raise KeyConflict."""
        due = self._due(mails)
        used = add_in(session, self._url, mails, self._app.clock.now())
        if used is not None:
            return self._same(mails[0], *used)
        after_commit(session, lambda: self._start(mails, due))
        return mails[0].mail.id

    async def many(self, drafts: Drafts, progress: Progress | None) -> None:
        """Accept messages by the thousand; `drafts` keeps those that were. Raises StoreUnavailable, PartlySent."""
        done = 0
        for mails in slices(drafts.mails):
            due = self._due(mails)
            try:
                refused = await self._home.ask(lambda log, mails=mails: log.add(*mails))  # type: ignore[misc]
            except StoreUnavailable as error:
                if not drafts.rows:
                    raise
                raise PartlySent([mail.id for mail in drafts.rows], drafts.total) from error
            if refused:
                again = [new for new in mails if new.mail.id in refused]
                await self._home.ask(partial(leave_out, intake=self._intake, drafts=drafts, mails=again))
            taken = [new for new in mails if new.mail.id not in refused]
            drafts.rows += [new.mail for new in taken]
            _tell(taken)
            await self._offer([mail for mail in due if mail.id not in refused])
            done += len(mails)
            if progress is not None:
                progress(done, len(drafts.mails))

    async def none(self, drafts: Drafts) -> None:
        """Tell what `many` would do."""
        for mails in slices(drafts.mails):
            used = await self._home.ask(partial(leave_out, intake=self._intake, drafts=drafts, mails=mails))
            rows = [new.mail for new in mails if new.mail.id not in used]
            await self._home.ask(partial(suppress, mails=rows))
            drafts.rows += rows

    def _due(self, mails: Sequence[NewMail]) -> list[EmailLog]:
        """Return the rows that go at once; the relay offers the others, so that none waits for weeks in a queue."""
        due = [new.mail for new in mails if new.mail.send_at <= new.mail.created_at]
        for mail in due:
            mail.look_at = mail.created_at + round(NET * 1000)
        return due

    async def _offer(self, mails: Sequence[EmailLog]) -> None:
        if going := [mail for mail in mails if mail.status == Status.PENDING]:
            await self._relay.try_to_offer(going)

    def _same(self, new: NewMail, mail_id: str, digest: str) -> str:
        assert new.claim is not None
        if not self._intake.is_same(new.claim, digest):
            raise KeyConflict(mail_id)
        return mail_id

    def _start(self, accepted: Sequence[NewMail], mails: Sequence[EmailLog]) -> None:
        """Offer what a transaction has committed: beside whatever runs on this loop, or at once where none runs."""
        _tell(accepted)
        if not mails:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._app.run(self._offer_committed(mails))
            return
        task = loop.create_task(self._offer_committed(mails), name="toril-mail-offer")
        self._offers.add(task)
        task.add_done_callback(self._offers.discard)

    async def _offer_committed(self, mails: Sequence[EmailLog]) -> None:
        try:
            there = await self._home.ask(partial(_present, ids=[mail.id for mail in mails]))
        except StoreUnavailable:
            return  # the relay sees to them
        await self._offer([mail for mail in mails if mail.id in there])  # others went with a savepoint


def _tell(mails: Sequence[NewMail]) -> None:
    if MAIL_QUEUED.enabled:
        for new in mails:
            MAIL_QUEUED(mail=new.mail.id, template=new.mail.type, kind=new.mail.kind)


async def _user_of(log: DeliveryLog, new: NewMail) -> tuple[str, str]:
    """Return the message that has used the key of another one, and the digest of its content."""
    assert new.claim is not None
    rows = await log.read(select(EmailKey.email_id, EmailKey.digest).where(EmailKey.key == new.claim.key))
    return rows[0][0], rows[0][1]


async def _present(log: DeliveryLog, ids: Sequence[str]) -> set[str]:
    return {row[0] for row in await log.read(select(EmailLog.id).where(EmailLog.id.in_(ids)))}
