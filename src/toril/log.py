"""What Toril logs: events with fixed names and fields, declared here and nowhere else.

They go to the loggers `toril.job`, `toril.worker`, `toril.mail` and `toril.store`, by the first word of their name, as
one line of `key=value` and as attributes of the record (`event`, and each field). Nothing here configures logging: that
is for the application, or for Toril's own commands.
"""

from __future__ import annotations

import json
import logging
import re
from logging import CRITICAL, DEBUG, ERROR, INFO, WARNING
from typing import Any

from toril.masking import without_people

__all__ = ["EVENTS", "Event", "line"]

_PLAIN = re.compile(r"[^\s\"'=\\]+")

EVENTS: dict[str, Event] = {}
"""All of them, by name."""


class Event:
    """Something that is logged: `JOB_FAILED(job=…, queue=…, …)`, always with all its fields; None: unsaid.

    What looks like a secret or an address in a value is masked.
    """

    __slots__ = ("_logger", "_text", "fields", "level", "name", "says")

    def __init__(self, name: str, level: int, says: str, fields: str = "") -> None:
        self.name = name
        self.level = level
        self.says = says
        self.fields = fields.split()
        self._logger = logging.getLogger(f"toril.{name.partition('.')[0]}")
        self._text = f"{name}: {says}%s"  # the same for all of an event, for tools that group by it
        EVENTS[name] = self

    @property
    def enabled(self) -> bool:
        """Whether anybody hears of it; asked once for many jobs."""
        return self._logger.isEnabledFor(self.level)

    def __call__(self, **values: object) -> None:
        """Log it."""
        self._log(self.level, None, values)

    def again(self, **values: object) -> None:
        """Log it for those who want to hear everything: it has been said before."""
        self._log(DEBUG, None, values)

    def raised(self, error: BaseException, /, **values: object) -> None:
        """Log it with the traceback of what was raised."""
        self._log(self.level, error, values)

    def _log(self, level: int, error: BaseException | None, values: dict[str, object]) -> None:
        if not self._logger.isEnabledFor(level):
            return
        assert list(values) == self.fields, f"{self.name}: expected {self.fields}, got {list(values)}"
        told = {name: _shown(value) for name, value in values.items() if value is not None}
        extra = {"event": self.name, **told}
        self._logger.log(level, self._text, _Fields(told), exc_info=error, extra=extra, stacklevel=3)


class _Fields:
    """The fields as the end of a line, written when somebody reads it."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told

    def __str__(self) -> str:
        return "".join(f" {line(name, value)}" for name, value in self._told.items())


def line(name: str, value: object) -> str:
    """Return a field as `key=value`; what could be misread stands in quotes, as JSON has them."""
    text = str(value)
    return f"{name}={text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)}"


def _shown(value: object) -> object:
    if isinstance(value, float):
        return round(value, 3)
    return value if isinstance(value, int) else without_people(str(value))


JOB_QUEUED = Event("job.queued", DEBUG, "added, or there already", "job queue task")
JOB_PROCESSING = Event("job.processing", DEBUG, "a run begins", "job queue task attempt")
JOB_COMPLETED = Event("job.completed", DEBUG, "done", "job queue task attempt duration")
JOB_SNOOZED = Event("job.snoozed", DEBUG, "comes back later without an attempt used", "job queue task retry_in")
JOB_ATTEMPT_FAILED = Event(
    "job.attempt_failed", WARNING, "will be tried again", "job queue task attempt attempts duration retry_in error"
)
JOB_FAILED = Event("job.failed", ERROR, "failed for good", "job queue task attempt duration error")
JOB_PUT_BACK = Event("job.put_back", WARNING, "this worker does not understand it", "job queue task retry_in error")
JOB_RATE_LIMITED = Event("job.rate_limited", INFO, "it closes its queue for a while", "job queue task retry_in")
JOB_EXPIRED = Event("job.expired", WARNING, "was not started in time", "job queue")
JOB_CANCELLED = Event("job.cancelled", WARNING, "its run is ended", "job queue by")
JOB_RESCUED = Event("job.rescued", WARNING, "lost its worker and goes back", "job queue")
JOB_TAKEN_OVER = Event("job.taken_over", WARNING, "its lease had run out and it was taken over", "job queue")
JOB_TOO_LATE = Event("job.too_late", WARNING, "the outcome came too late, its run was over", "job queue")
JOB_NOT_RUN = Event("job.not_run", ERROR, "could not be run, by a fault of Toril's", "job queue")
JOB_STUCK = Event("job.stuck", CRITICAL, "its thread does not end; this worker drains and ends", "job queue duration")

WORKER_STARTED = Event("worker.started", INFO, "takes jobs", "worker queues")
WORKER_STOPPED = Event("worker.stopped", INFO, "has ended", "worker ran")
WORKER_WAITING = Event("worker.waiting", WARNING, "waiting for the store", "error")
WORKER_GOES_ON = Event("worker.goes_on", WARNING, "the store answers, the worker starts")
WORKER_ENDED = Event(
    "worker.ended", CRITICAL, "the worker in this process has ended, its queues are not served", "error"
)
WORKER_HANDS_BACK = Event("worker.hands_back", WARNING, "jobs did not end in time and go back", "jobs grace")
WORKER_CUT_OFF = Event(
    "worker.cut_off", ERROR, "the store did not answer at the end; what was held is taken over when the lease runs out"
)
WORKER_LEASE_LATE = Event("worker.lease_late", WARNING, "its lease could not be renewed; tries go on", "error")
WORKER_LEASE_RENEWED = Event("worker.lease_renewed", WARNING, "the store answers again")
WORKER_FAULT = Event("worker.fault", ERROR, "the heartbeat met a fault; it goes on")
WORKER_QUEUE_WAITING = Event("worker.queue_waiting", WARNING, "the store does not answer; tries go on", "queue error")
WORKER_HEALTH = Event("worker.health", INFO, "answers health checks", "port")
WORKER_SERVICE_FAILED = Event("worker.service_failed", ERROR, "a service is started again", "service retry_in")
WORKER_PROCESS_ENDS = Event("worker.process_ends", INFO, "a process of tasks has done its part", "pid after")
WORKER_HANDLER_FAILED = Event("worker.handler_failed", ERROR, "a handler failed", "job kind handler")
WORKER_HANDLERS_BEHIND = Event(
    "worker.handlers_behind", ERROR, "not handled: too many events wait for slow handlers", "job kind waiting"
)
WORKER_HANDLERS_CUT_OFF = Event("worker.handlers_cut_off", WARNING, "ended before events were handled", "events")

STORE_DOWN = Event("store.down", WARNING, "jobs cannot be added until it answers", "error")
STORE_AT_RISK = Event("store.at_risk", WARNING, "it may lose jobs", "part found advice")
STORE_NOT_CLEARED = Event("store.not_cleared", WARNING, "what has run out of time stays for now", "error")
STORE_PHANTOM = Event("store.phantom", ERROR, "an id stood in line that names no job; it was dropped", "job queue")
STORE_IMPOLITE = Event("store.impolite", DEBUG, "a connection could not be closed politely")

MAIL_QUEUED = Event("mail.queued", DEBUG, "accepted", "mail template kind")
MAIL_PROCESSING = Event("mail.processing", DEBUG, "an attempt begins", "mail template attempt")
MAIL_SENT = Event("mail.sent", DEBUG, "the server took it", "mail template attempt duration")
MAIL_DEFERRED = Event("mail.deferred", INFO, "will be tried again", "mail template attempt retry_in error")
MAIL_POSTPONED = Event("mail.postponed", INFO, "the server has too much to do", "mail template retry_in error")
MAIL_HELD_UP = Event(
    "mail.held_up", INFO, "nothing was tried: the transport takes none now", "mail template retry_in error"
)
MAIL_UNKNOWN = Event("mail.unknown", WARNING, "nobody knows whether it arrived", "mail template attempt retry_in")
MAIL_FAILED = Event("mail.failed", WARNING, "failed for good", "mail template attempt error")
MAIL_SUPPRESSED = Event("mail.suppressed", DEBUG, "its recipient must not get it", "mail template")
MAIL_NO_LOG = Event("mail.no_log", WARNING, "the delivery log does not answer", "mail retry_in error")
MAIL_HANDLER_FAILED = Event("mail.handler_failed", ERROR, "on_permanent_failure failed", "mail error")
MAIL_LEFT_TO_RELAY = Event("mail.left_to_relay", WARNING, "mails wait for the relay", "mails mail error")
MAIL_RELAY_WAITING = Event("mail.relay_waiting", WARNING, "the relay waits for its stores", "error")
MAIL_TRANSPORT_OPEN = Event(
    "mail.transport_open", WARNING, "a transport fails and is left alone", "transport failures retry_in error"
)
MAIL_TRANSPORT_CLOSED = Event("mail.transport_closed", WARNING, "a transport works again", "transport")
MAIL_TRIMMED = Event("mail.trimmed", INFO, "old mails were deleted from the delivery log", "mails days")
MAIL_NOT_TRIMMED = Event("mail.not_trimmed", WARNING, "old mails stay in the delivery log for now", "error")
MAIL_NO_WAY_OUT = Event(
    "mail.no_way_out", WARNING,
    "subscribed mail has no unsubscribe link: set TORIL_UNSUBSCRIBE_URL and TORIL_SECRET_KEYS",
)  # fmt: skip
