"""Background jobs and messages for Python web applications."""

from toril.app import Toril
from toril.clock import ManualClock
from toril.context import JobContext
from toril.dedup import Dedup
from toril.errors import (
    InvalidJob,
    JobFailed,
    JobNotFound,
    PartlyAdded,
    ResultTimeout,
    Snooze,
    StoreUnavailable,
    TorilError,
    Unrecoverable,
)
from toril.job import JobState
from toril.options import Keep
from toril.queue import Job, Queue
from toril.retry import Exponential, Fixed
from toril.task import Call, Task
from toril.worker import Worker

__all__ = [
    "Call",
    "Dedup",
    "Exponential",
    "Fixed",
    "InvalidJob",
    "Job",
    "JobContext",
    "JobFailed",
    "JobNotFound",
    "JobState",
    "Keep",
    "ManualClock",
    "PartlyAdded",
    "Queue",
    "ResultTimeout",
    "Snooze",
    "StoreUnavailable",
    "Task",
    "Toril",
    "TorilError",
    "Unrecoverable",
    "Worker",
]
