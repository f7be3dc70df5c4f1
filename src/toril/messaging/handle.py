"""What `send` and `send_many` return: the handles of a message and of many."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from toril.checks import optional, seconds
from toril.errors import MailNotFound, ResultTimeout
from toril.messaging.bulk import Drafts
from toril.messaging.models import EmailEvent, EmailLog, Status

if TYPE_CHECKING:
    from toril.messaging.outbox import Mailer

__all__ = ["Batch", "MailHandle"]

_LOOK_AGAIN = 0.5  # seconds


@dataclass(frozen=True, slots=True)
class MailHandle:
    """A message that was accepted; `id` is that of its row."""

    id: str
    _mailer: Mailer = field(repr=False)

    @property
    def job_id(self) -> str:
        """The id of the job that sends it, while there is one."""
        return self.id

    async def row(self) -> EmailLog:
        """Return its row as it stands now; raise MailNotFound."""
        mail = await self._mailer.find(self.id)
        if mail is None:
            raise MailNotFound(f"the delivery log has no mail {self.id}")
        return mail

    async def status(self) -> Status:
        """Return where it stands now; raise MailNotFound."""
        return Status((await self.row()).status)

    async def timeline(self) -> Sequence[EmailEvent]:
        """Return what happened to it, oldest first."""
        return await self._mailer.timeline(self.id)

    async def cancel(self) -> bool:
        """Take it back, copies too; False if it is being sent or has ended already."""
        return await self._mailer.cancel(self.id)

    async def retry(self) -> None:
        """Let it be tried anew; see `Mailer.retry`."""
        await self._mailer.retry(self.id)


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of a `send_many`; in a dry run, what would.

    ids: the rows that were made, in the order of the recipients. suppressed: of these, how many must not be sent.
    duplicates: recipients whose key had this content before. invalid: (place in the list, fault) of those left out.
    """

    id: str
    total: int
    accepted: int
    suppressed: int
    duplicates: int
    invalid: Sequence[tuple[int, str]]
    dry_run: bool
    ids: Sequence[str] = field(repr=False)
    _mailer: Mailer = field(repr=False)

    @staticmethod
    def of(drafts: Drafts, batch: str, mailer: Mailer) -> Batch:
        """Return the handle of messages that were written, or would be."""
        return Batch(
            batch,
            drafts.total,
            len(drafts.rows),
            sum(mail.status == Status.SUPPRESSED for mail in drafts.rows),
            drafts.duplicates,
            sorted(drafts.invalid),
            drafts.dry_run,
            [mail.id for mail in drafts.rows],
            mailer,
        )

    @property
    def handles(self) -> list[MailHandle]:
        """The handles of its messages."""
        return [MailHandle(mail_id, self._mailer) for mail_id in self.ids]

    async def counts(self) -> dict[str, int]:
        """Return how many of its messages are in each status now."""
        return await self._mailer.counts(batch=self.id)

    async def cancel(self) -> int:
        """Take back what has not been sent; return how many were."""
        return await self._mailer.cancel_batch(self.id)

    async def ended(self, timeout: float | timedelta | None = None) -> dict[str, int]:
        """Wait until all its messages have ended and return the counts; raise ResultTimeout after `timeout` seconds."""
        limit = optional(seconds)("timeout", timeout)
        try:
            async with asyncio.timeout(limit):
                while (counts := await self.counts()).keys() & {Status.PENDING, Status.SENDING}:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            raise ResultTimeout(f"batch {self.id} did not end within {limit:g} s") from None
        return counts
