"""Every error that Toril raises, in one tree.

* TorilError
  + ConfigurationError          the program is set up wrongly; found at start or at declaration
    - InvalidSettings           a setting has a value that cannot be used
    - InvalidStoreURL           the store's URL names no store that Toril knows
    - StoreRefused              the store is there but must not be used (network file system, old version)
    - InvalidSchedule           a cron line, interval or zone that cannot be evaluated
    - MissingExtra              a feature needs an optional dependency
  + InvalidJob                  a call that would make a bad job; nothing was written
    - UnknownTask               no task of that name is registered
    - InvalidArguments          an argument is missing, unknown or of the wrong type
    - InvalidOption             a job option is out of range or of the wrong type
    - InvalidData               data, result or progress is not RFC 8259 JSON
    - DataTooLarge              the data have more bytes than `max_size` allows
  + InvalidMessage              a message that cannot be sent; nothing was written
    - UnknownTemplate           no message type of that name
    - InvalidContext            a context field is missing, unknown or of the wrong type
    - InvalidAddress            not an address that mail can be sent to
    - KeyConflict               the key was used for a message of other content
    - WebhookRefused            a report that the mail provider has not signed, or not lately
  + InvalidFilter               a search that cannot be understood
  + StoreError
    - StoreUnavailable          the store did not answer in time; nothing was written unless `undecided`
    - PartlyAdded               a bulk add of more than 1,000 jobs stopped on the way
    - PartlySent                a bulk send of more than 1,000 messages stopped on the way
    - QueueFull                 as many jobs wait in the queue as may
    - BudgetExceeded            as many jobs were added for a key as may within its time
    - JobNotFound               no job of that id
    - ScheduleNotFound          no schedule of that id
    - MailNotFound              the delivery log has no message of that id
    - WrongState                the job or message is not in a state that allows the verb
      + HeldByNode              one of Node's workers runs the job
  + BackupError                 a backup or a restore that cannot be made; nothing has changed
  + NoEventLoop                 `enqueue` was called where no event loop runs
  + LoopRunning                 a blocking call was made on an event loop's own thread
  + ResultTimeout               `job.result()` waited in vain
  + JobFailed                   the job whose result was awaited failed for good
    - JobCancelled              it was cancelled

Raised by a task to say what shall become of its job:

* Unrecoverable                 fail for good at once, whatever attempts are left
* Snooze                        come back later without using up an attempt
* RateLimited                   the same, and nothing else of the queue is started until then
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from toril.clock import LONGEST
from toril.wording import number_of


class TorilError(Exception):
    """Something went wrong in Toril."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip().partition("\n")[0])


class ConfigurationError(TorilError):
    """The program is set up wrongly."""


class InvalidSettings(ConfigurationError):
    """A setting has a value that cannot be used."""


class InvalidStoreURL(ConfigurationError):
    """The store's URL names no store that Toril knows."""


class StoreRefused(ConfigurationError):
    """The store is there but must not be used."""


class InvalidSchedule(ConfigurationError):
    """A cron line, interval or time zone cannot be evaluated."""


class MissingExtra(ConfigurationError):
    """A feature needs an optional dependency that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional part: pip install 'toril[{extra}]'")


class InvalidJob(TorilError):
    """The call would make a job that cannot be run; nothing was written."""


class UnknownTask(InvalidJob):
    """No task of that name is registered."""


class InvalidArguments(InvalidJob):
    """An argument is missing, unknown or of the wrong type."""


class InvalidOption(InvalidJob):
    """A job option is out of range or of the wrong type."""


class InvalidData(InvalidJob):
    """Data, result or progress is not RFC 8259 JSON."""


class DataTooLarge(InvalidJob):
    """The data have more bytes than `max_size` allows."""


class InvalidMessage(TorilError):
    """The message cannot be sent; nothing was written."""


class UnknownTemplate(InvalidMessage):
    """No message type of that name is known."""


class InvalidContext(InvalidMessage):
    """A context field is missing, unknown or of the wrong type."""


class InvalidAddress(InvalidMessage):
    """Not an address that mail can be sent to."""


class KeyConflict(InvalidMessage):
    """The key was used for a message of other content; `mail_id` is that message."""

    def __init__(self, mail_id: str) -> None:
        super().__init__(f"key: it was used for another message, {mail_id}; the same key is for the same content only")
        self.mail_id = mail_id


class WebhookRefused(InvalidMessage):
    """The report is not signed by the mail provider, or was not lately."""


class InvalidFilter(TorilError):
    """The search cannot be understood."""


class BackupError(TorilError):
    """A backup or a restore cannot be made; nothing has changed."""


class StoreError(TorilError):
    """The store could not do what was asked."""


class StoreUnavailable(StoreError):
    """The store did not answer in time.

    `undecided` tells whether the call may have taken effect all the same.
    """

    def __init__(self, message: str | None = None, *, undecided: bool = False) -> None:
        super().__init__(message)
        self.undecided = undecided


class PartlyAdded(StoreError):
    """A bulk add stopped on the way; `ids` are the jobs that were added, in order.

    The same call again finishes it if its jobs have ids of their own (`job_id=`).
    """

    def __init__(self, ids: Sequence[str], total: int) -> None:
        super().__init__(f"{len(ids)} of {total} jobs were added before one call failed")
        self.ids = tuple(ids)
        self.total = total


class PartlySent(StoreError):
    """A bulk send stopped on the way; `ids` are the messages that were accepted, and will be sent."""

    def __init__(self, ids: Sequence[str], total: int) -> None:
        super().__init__(f"{len(ids)} of {total} messages were accepted before the delivery log failed")
        self.ids = tuple(ids)
        self.total = total


class QueueFull(StoreError):
    """As many jobs wait in the queue as may (`max_length`); nothing was added."""

    def __init__(self, queue: str, max_length: int) -> None:
        super().__init__(
            f"queue {queue} is full: no more than {number_of(max_length, 'job')} may wait or be delayed in it"
        )
        self.queue = queue
        self.max_length = max_length


class BudgetExceeded(StoreError):
    """As many jobs were added under `key` as its budget allows; nothing was added.

    retry_at: epoch milliseconds from which there is budget again; retry_after: seconds until then.
    """

    def __init__(self, key: str, budget: str, retry_at: int, now: int) -> None:
        self.key = key
        self.retry_at = retry_at
        self.retry_after = (retry_at - now) / 1000
        super().__init__(f"the budget of {key} is spent ({budget}): try again in {self.retry_after:g} s")


class JobNotFound(StoreError):
    """No job of that id."""


class ScheduleNotFound(StoreError):
    """No schedule of that id, or not in the queue that was named; `queues` have one."""

    def __init__(self, schedule_id: str, queue: str | None, queues: Sequence[str]) -> None:
        here = "there is no" if queue is None else f"queue {queue} has no"
        elsewhere = f": it is in {', '.join(queues)}" if queues else ""
        super().__init__(f"{here} schedule {schedule_id!r}{elsewhere}")
        self.queues = tuple(queues)


class MailNotFound(StoreError):
    """The delivery log has no message of that id."""


class WrongState(StoreError):
    """The job or message is not in a state that allows this."""


class HeldByNode(WrongState):
    """One of Node's workers runs the job, and those cannot be asked to stop."""

    def __init__(self, job_id: str, worker: str) -> None:
        super().__init__(f"job {job_id} is run by Node's worker {worker or 'without a name'}: only Node can stop it")
        self.worker = worker


class NoEventLoop(TorilError):
    """No event loop runs here: use enqueue_sync(), or app.run(...) for anything else."""


class LoopRunning(TorilError):
    """An event loop runs on this thread: await the coroutine instead of calling the blocking form."""


class ResultTimeout(TorilError):
    """The job did not end in the time given."""


class JobFailed(TorilError):
    """The job failed for good; `reason` is the failure that it recorded."""

    def __init__(self, job_id: str, reason: str) -> None:
        super().__init__(f"job {job_id} failed: {reason}")
        self.job_id = job_id
        self.reason = reason


class JobCancelled(JobFailed):
    """The job was cancelled; `reason` says by whom."""


class Unrecoverable(Exception):
    """Raised by a task: fail for good at once, whatever attempts are left."""


class Snooze(Exception):
    """Raised by a task: come back after `delay` (seconds or a timedelta) without using up an attempt."""

    def __init__(self, delay: float | timedelta) -> None:
        self.seconds = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
        if not 0 <= self.seconds <= LONGEST:
            raise ValueError(f"Snooze: expected seconds (0 to {LONGEST:,}) or a timedelta, got {delay!r}")
        super().__init__(self.seconds)  # so that it can be pickled on its way out of a process

    def __str__(self) -> str:
        return f"snoozed for {self.seconds:g} s"


class RateLimited(Exception):
    """Raised by a task that was told to slow down: `retry_after` is in seconds or a timedelta.

    No job of its queue is started until then, by any worker; this one comes back without using up an attempt.
    """

    def __init__(self, retry_after: float | timedelta) -> None:
        self.seconds = retry_after.total_seconds() if isinstance(retry_after, timedelta) else float(retry_after)
        if not 0 < self.seconds <= LONGEST:
            raise ValueError(
                f"RateLimited: expected seconds (more than 0, to {LONGEST:,}) or a timedelta, got {retry_after!r}"
            )
        super().__init__(self.seconds)  # so that it can be pickled on its way out of a process

    def __str__(self) -> str:
        return f"rate limited for {self.seconds:g} s"
