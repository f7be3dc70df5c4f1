"""What a mail's job does. The row decides; the job is only a wake-up that goes back to sleep or ends."""

from __future__ import annotations

import time
import traceback
from collections.abc import Awaitable, Callable
from math import ceil

from toril import JobContext, RateLimited, Snooze, StoreUnavailable, Unrecoverable
from toril.clock import Clock
from toril.errors import ConfigurationError
from toril.log import (
    MAIL_DEFERRED,
    MAIL_FAILED,
    MAIL_HANDLER_FAILED,
    MAIL_HELD_UP,
    MAIL_NO_LOG,
    MAIL_POSTPONED,
    MAIL_PROCESSING,
    MAIL_SENT,
    MAIL_SUPPRESSED,
    MAIL_UNKNOWN,
)
from toril.messaging import suppressing
from toril.messaging.composer import Composer
from toril.messaging.delivery import Attempt, DeliveryLog
from toril.messaging.extras import Extras
from toril.messaging.limits import MailLimits, Throttle
from toril.messaging.models import EmailLog, Status
from toril.messaging.policy import Policies
from toril.messaging.suppression import ALL
from toril.messaging.transport import Busy, NotNow, NotSent, Transport, Undecided
from toril.retry import delay_after
from toril.tracing import describe

__all__ = ["OnPermanentFailure", "Sender"]

# RFC 3463: there is no such mailbox, no such domain, or it has moved without an address
_DEAD = ("5.1.1", "5.1.2", "5.1.6", "5.1.10")
_TOKENS = 0.2  # seconds that a queue is closed at least: opened for each mail, it would be all opening
_BUSY, _LONGEST_BUSY = 5.0, 300.0  # seconds before a mail is offered again to a server that has too much to do
_PATIENCE = 86_400.0  # seconds after its first try from which a server that has too much to do uses attempts, too
_NO_LOG = 5.0  # seconds before the next look when the delivery log does not answer
_NO_ROW, _NO_ROW_LIMIT = 5.0, 60_000  # seconds between looks for a row; milliseconds after which it is missing


OnPermanentFailure = Callable[[EmailLog], Awaitable[None] | None]
"""Called with the row of a mail that has failed for good."""


class _Lost(Exception):
    """Somebody else sends the mail, or it was cancelled: this attempt has no say any more."""


class Sender:
    """Sends the mails of one delivery log.

    policies: how often a mail is tried, and how soon again. limits: how fast mail goes.
    on_permanent_failure: told, once each, of mails that have failed for good; what it raises is logged.
    """

    def __init__(
        self,
        transport: Transport,
        composer: Composer,
        clock: Clock,
        policies: Policies,
        *,
        limits: MailLimits = MailLimits(),  # noqa: B008  (frozen)
        on_permanent_failure: OnPermanentFailure | None = None,
    ) -> None:
        self._transport, self._composer, self._clock = transport, composer, clock
        self._policies = policies
        self._throttle = Throttle(limits, clock)
        self._on_permanent_failure = on_permanent_failure

    async def run(self, job: JobContext, mail_id: str, mails: DeliveryLog) -> None:
        """Do what the row of a mail asks for now.

        Raises Snooze until the row's next time, and Unrecoverable when the mail has failed for good: with class
        and code only, because job data, logs and reasons hold nothing personal.
        """
        try:
            found = await mails.look(mail_id)
            if found is None:
                return self._missing(job)
            mail = found.mail
            if mail.status == Status.SENDING:
                await self._wait_for(mail, mails)
            elif mail.status == Status.PENDING:
                self._not_before(mail.send_at)
                if found.suppressed:
                    MAIL_SUPPRESSED(mail=mail.id, template=mail.type)
                    await mails.suppressed(mail, found.suppressed)
                    return None
                self._not_too_fast(mail)
                await self._send(mail, mails)
        except StoreUnavailable as error:
            MAIL_NO_LOG(mail=mail_id, retry_in=_NO_LOG, error=error)
            raise Snooze(_NO_LOG) from None

    async def failed(self, mail_id: str, mails: DeliveryLog) -> None:
        """Tell the application that a mail has failed for good."""
        if self._on_permanent_failure is None:
            return
        try:
            mail = await mails.find(mail_id)
            if mail is not None and (answer := self._on_permanent_failure(mail)) is not None:
                await answer
        except Exception as error:  # noqa: BLE001  (its fault changes nothing; its text may hold secrets)
            MAIL_HANDLER_FAILED(mail=mail_id, error=_where(error))

    def _missing(self, job: JobContext) -> None:
        # The row may be in a transaction that its caller has not committed yet.
        if self._clock.now() - job.record.timestamp < _NO_ROW_LIMIT:
            raise Snooze(_NO_ROW)
        raise Unrecoverable("MissingRow: the delivery log has no such mail")

    def _not_before(self, moment: int) -> None:
        wait = moment - self._clock.now()
        if wait > 0:
            raise Snooze(wait / 1000)

    def _not_too_fast(self, mail: EmailLog) -> None:
        """Let a mail that is over a limit wait: for the whole rate the queue, for its own limits itself."""
        if (closed := self._throttle.closed_for(mail.kind)) > 0:
            raise RateLimited(max(closed, _TOKENS))
        if (wait := self._throttle.wait(mail.id, mail.recipient)) > 0:
            raise Snooze(wait)

    async def _wait_for(self, mail: EmailLog, mails: DeliveryLog) -> None:
        """Another run began to send this mail: let it, and once its time is up nobody knows what it did."""
        self._not_before(mail.give_up_at or 0)
        attempt = Attempt(mail.id, mail.attempts, begun=True)
        await self._undecided(mail, attempt, "its sender was lost after it had begun", mails)

    async def _send(self, mail: EmailLog, mails: DeliveryLog) -> None:
        attempt = Attempt(mail.id, mail.attempts + 1)
        describe({"toril.mail.id": mail.id, "toril.mail.template": mail.type, "toril.mail.attempt": attempt.number})
        MAIL_PROCESSING(mail=mail.id, template=mail.type, attempt=attempt.number)
        start = time.monotonic()

        async def begin() -> None:
            if not await mails.begin(attempt, self._transport.limit):
                raise _Lost

        try:
            files = await mails.files(mail) if Extras.from_json(mail.extras).files else ()
            envelope = self._composer.compose(mail, files)
            attempt.transcript = envelope.transcript
            reply = await self._transport.send(envelope, begin)
        except (_Lost, StoreUnavailable) as error:
            raise Snooze(0 if isinstance(error, _Lost) else _NO_LOG) from None
        except NotNow as closed:
            # Nothing was tried, and no other mail has a better chance: the queue waits, not each of its jobs.
            MAIL_HELD_UP(mail=mail.id, template=mail.type, retry_in=closed.seconds, error=closed)
            raise RateLimited(max(closed.seconds, _TOKENS)) from None
        except Undecided as outcome:
            await self._undecided(mail, attempt, outcome.text, mails, repeatable=outcome.repeatable)
        except NotSent as outcome:
            await self._not_sent(mail, attempt, outcome, mails)
        except Exception as error:  # noqa: BLE001  (a fault of a template or transport, whose text may hold secrets)
            await self._not_sent(mail, attempt, NotSent(type(error).__name__, _where(error)), mails)
        else:
            took = time.monotonic() - start
            await mails.sent(attempt, reply)
            MAIL_SENT(mail=mail.id, template=mail.type, attempt=attempt.number, duration=took)

    async def _not_sent(self, mail: EmailLog, attempt: Attempt, outcome: NotSent, mails: DeliveryLog) -> None:
        if isinstance(outcome, Busy) and (age := self._tried_for(mail)) < _PATIENCE:
            await self._postpone(mail, attempt, outcome, age, mails)
        policy, tried = self._policies.of(mail.type), attempt.number - mail.forgiven
        if outcome.permanent or tried >= policy.attempts:
            if not await mails.failed(attempt, outcome.text):
                raise Snooze(0) from None
            MAIL_FAILED(mail=mail.id, template=mail.type, attempt=attempt.number, error=outcome.code)
            if outcome.permanent and outcome.code.endswith(_DEAD):
                entry = suppressing.entry(mail.recipient.lower(), ALL, "hard bounce", outcome.code)
                await suppressing.add(mails, [entry])
            await self.failed(attempt.mail_id, mails)
            kind = "PermanentFailure" if outcome.permanent else "OutOfAttempts"
            raise Unrecoverable(f"{kind} {outcome.code}") from None
        wait = delay_after(policy.backoff, tried)
        if outcome.retry_after is not None:
            wait = max(wait, outcome.retry_after) if isinstance(outcome, Busy) else outcome.retry_after
        MAIL_DEFERRED(mail=mail.id, template=mail.type, attempt=attempt.number, retry_in=wait, error=outcome.code)
        took = await mails.deferred(attempt, outcome.text, wait)
        raise Snooze(wait if took else 0) from None

    def _tried_for(self, mail: EmailLog) -> float:
        return 0.0 if mail.first_try_at is None else (self._clock.now() - mail.first_try_at) / 1000

    async def _postpone(self, mail: EmailLog, attempt: Attempt, busy: Busy, age: float, mails: DeliveryLog) -> None:
        """Offer it again; the longer it was put off, the later."""
        wait = ceil(max(busy.retry_after or _BUSY, min(age / 4, _LONGEST_BUSY)))
        MAIL_POSTPONED(mail=mail.id, template=mail.type, retry_in=wait, error=busy.code)
        took = await mails.postponed(attempt, busy.text, wait, mail.forgiven + 1)
        raise Snooze(wait if took else 0) from None

    async def _undecided(
        self, mail: EmailLog, attempt: Attempt, error: str, mails: DeliveryLog, *, repeatable: bool = False
    ) -> None:
        policy, tried = self._policies.of(mail.type), attempt.number - mail.forgiven
        again = (repeatable or mail.kind == "transactional") and tried < policy.attempts
        wait = delay_after(policy.backoff, tried) if again else None
        MAIL_UNKNOWN(mail=mail.id, template=mail.type, attempt=attempt.number, retry_in=wait)
        took = await mails.unknown(attempt, error, wait)
        if wait is not None:
            raise Snooze(wait if took else 0) from None


def _where(error: Exception) -> str:
    """Return what went wrong and where, without the values that an error's text may quote."""
    if isinstance(error, ConfigurationError):  # it names the template's file and line, and no values
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {frame.name}, line {frame.lineno} of {frame.filename}"
