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
    JobCancelled,
    JobFailed,
    JobNotFound,
    PartlyAdded,
    QueueFull,
    RateLimited,
    ResultTimeout,
    Snooze,
    StoreUnavailable,
    TorilError,
    Unrecoverable,
)
from toril.flow import Flow, WaitForChildren
from toril.handle import Job
from toril.handlers import JobEvent
from toril.job import JobState
from toril.limits import Rate
from toril.options import Keep
from toril.queue import Queue
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
    "Flow",
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
    "QueueFull",
    "Rate",
    "RateLimited",
    "ResultTimeout",
    "Secret",
    "Snooze",
    "StoreUnavailable",
    "Task",
    "Toril",
    "TorilError",
    "Unrecoverable",
    "WaitForChildren",
    "Worker",
]
