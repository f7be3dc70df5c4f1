"""Background jobs and messages for Python web applications."""

from toril.app import Toril
from toril.clock import ManualClock
from toril.context import JobContext
from toril.errors import (
    InvalidJob,
    JobCancelled,
    JobFailed,
    JobNotFound,
    PartlyAdded,
    RateLimited,
    ResultTimeout,
    Snooze,
    StoreUnavailable,
    TorilError,
    Unrecoverable,
)
from toril.handlers import JobEvent
from toril.job import JobState
from toril.limits import Rate
from toril.options import Keep
from toril.queue import Job, Queue
from toril.retry import Exponential, Fixed
from toril.task import Call, Task
from toril.worker import Worker

__all__ = [
    "Call",
    "Exponential",
    "Fixed",
    "InvalidJob",
    "Job",
    "JobCancelled",
    "JobContext",
    "JobEvent",
    "JobFailed",
    "JobNotFound",
    "JobState",
    "Keep",
    "ManualClock",
    "PartlyAdded",
    "Queue",
    "Rate",
    "RateLimited",
    "ResultTimeout",
    "Snooze",
    "StoreUnavailable",
    "Task",
    "Toril",
    "TorilError",
    "Unrecoverable",
    "Worker",
]
