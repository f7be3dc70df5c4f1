"""Background jobs and messages for Python web applications."""

from toril.app import Toril
from toril.budget import Budget
from toril.clock import ManualClock
from toril.context import JobContext
from toril.dedup import Dedup
from toril.errors import (
    BudgetExceeded,
    DataTooLarge,
    InvalidJob,
    JobFailed,
    JobNotFound,
    PartlyAdded,
    QueueFull,
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
from toril.secret import Secret
from toril.task import Call, Task
from toril.worker import Worker

__all__ = [
    "Budget",
    "BudgetExceeded",
    "Call",
    "DataTooLarge",
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
    "QueueFull",
    "ResultTimeout",
    "Secret",
    "Snooze",
    "StoreUnavailable",
    "Task",
    "Toril",
    "TorilError",
    "Unrecoverable",
    "Worker",
]
