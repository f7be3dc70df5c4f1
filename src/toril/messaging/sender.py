"""What a mail's job does. The row decides; the job is only a wake-up that goes back to sleep or ends."""

from __future__ import annotations

import logging
import traceback

from toril import Exponential, Fixed, JobContext, Snooze, StoreUnavailable, Unrecoverable
from toril.clock import Clock
from toril.errors import ConfigurationError
from toril.messaging.composer import Composer
from toril.messaging.delivery import Attempt, DeliveryLog
from toril.messaging.models import EmailLog, Status
from toril.messaging.transport import NotSent, Transport, Undecided
from toril.retry import delay_after

__all__ = ["Sender"]

log = logging.getLogger("toril.mail")

_NO_LOG = 5.0  # seconds before the next look when the delivery log does not answer
_NO_ROW, _NO_ROW_LIMIT = 5.0, 60_000  # seconds between looks for a row; milliseconds after which it is missing


class _Lost(Exception):
    """Somebody else sends the mail, or it was cancelled: this attempt has no say any more."""


class Sender:
    """Sends the mails of one delivery log.

    attempts: tries at most, the first included. backoff: the seconds between them.
    """

    def __init__(
        self, transport: Transport, composer: Composer, clock: Clock, attempts: int, backoff: Fixed | Exponential
    ) -> None:
        self._transport, self._composer, self._clock = transport, composer, clock
        self._attempts, self._backoff = attempts, backoff

    async def run(self, job: JobContext, mail_id: str, mails: DeliveryLog) -> None:
        """Do what the row of a mail asks for now.

        Raises Snooze until the row's next time, and Unrecoverable when the mail has failed for good: with class
        and code only, because job data, logs and reasons hold nothing personal.
        """
        try:
            mail = await mails.find(mail_id)
            if mail is None:
                self._missing(job)
            elif mail.status == Status.SENDING:
                await self._wait_for(mail, mails)
            elif mail.status == Status.PENDING:
                self._not_before(mail.send_at)
                await self._send(mail, mails)
        except StoreUnavailable as error:
            log.warning("mail %s: %s; looking again in %g s", mail_id, error, _NO_LOG)
            raise Snooze(_NO_LOG) from None

    def _missing(self, job: JobContext) -> None:
        # The row may be in a transaction that its caller has not committed yet.
        if self._clock.now() - job.record.timestamp < _NO_ROW_LIMIT:
            raise Snooze(_NO_ROW)
        raise Unrecoverable("MissingRow: the delivery log has no such mail")

    def _not_before(self, moment: int) -> None:
        wait = moment - self._clock.now()
        if wait > 0:
            raise Snooze(wait / 1000)

    async def _wait_for(self, mail: EmailLog, mails: DeliveryLog) -> None:
        """Another run began to send this mail: let it, and once its time is up nobody knows what it did."""
        self._not_before(mail.give_up_at or 0)
        attempt = Attempt(mail.id, mail.attempts, begun=True)
        await self._undecided(mail, attempt, "its sender was lost after it had begun", mails)

    async def _send(self, mail: EmailLog, mails: DeliveryLog) -> None:
        attempt = Attempt(mail.id, mail.attempts + 1)

        async def begin() -> None:
            if not await mails.begin(attempt, self._transport.limit):
                raise _Lost

        try:
            reply = await self._transport.send(self._composer.compose(mail), begin)
        except (_Lost, StoreUnavailable) as error:
            raise Snooze(0 if isinstance(error, _Lost) else _NO_LOG) from None
        except Undecided as outcome:
            await self._undecided(mail, attempt, outcome.text, mails)
        except NotSent as outcome:
            await self._not_sent(attempt, outcome, mails)
        except Exception as error:  # noqa: BLE001  (a fault of a template or transport, whose text may hold secrets)
            await self._not_sent(attempt, NotSent(type(error).__name__, _where(error)), mails)
        else:
            await mails.sent(attempt, reply)

    async def _not_sent(self, attempt: Attempt, outcome: NotSent, mails: DeliveryLog) -> None:
        if outcome.permanent or attempt.number >= self._attempts:
            if not await mails.failed(attempt, outcome.text):
                raise Snooze(0) from None
            kind = "PermanentFailure" if outcome.permanent else "OutOfAttempts"
            raise Unrecoverable(f"{kind} {outcome.code}") from None
        wait = outcome.retry_after or delay_after(self._backoff, attempt.number)
        log.info("mail %s: %s in attempt %d, again in %g s", attempt.mail_id, outcome.code, attempt.number, wait)
        took = await mails.deferred(attempt, outcome.text, wait)
        raise Snooze(wait if took else 0) from None

    async def _undecided(self, mail: EmailLog, attempt: Attempt, error: str, mails: DeliveryLog) -> None:
        again = self._composer.resends(mail) and attempt.number < self._attempts
        wait = delay_after(self._backoff, attempt.number) if again else None
        log.warning("mail %s: nobody knows whether attempt %d arrived", mail.id, attempt.number)
        took = await mails.unknown(attempt, error, wait)
        if wait is not None:
            raise Snooze(wait if took else 0) from None


def _where(error: Exception) -> str:
    """Return what went wrong and where, without the values that an error's text may quote."""
    if isinstance(error, ConfigurationError):  # it names the template's file and line, and no values
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {frame.name}, line {frame.lineno} of {frame.filename}"
