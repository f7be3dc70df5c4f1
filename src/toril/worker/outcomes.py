"""How runs end: what is raised for those that do not end by themselves, and words for all."""

from __future__ import annotations

import asyncio
import signal

from toril.store.runs import Completed, Delayed, Failed, Outcome

__all__ = ["ProcessDied", "TimedOut", "error_of", "is_our_end", "word_of"]


def word_of(outcome: Outcome) -> str:
    """Return what became of a job: completed, failed (for good), retried, snoozed or released."""
    if isinstance(outcome, Delayed):
        return "retried" if outcome.attempts else "snoozed"
    return "completed" if isinstance(outcome, Completed) else "failed" if isinstance(outcome, Failed) else "released"


def error_of(reason: str) -> str:
    """Return the exception that a reason names, or `other`: few words, to count by."""
    name = reason.partition(":")[0]
    return name if name.isidentifier() else "other"


def is_our_end(error: BaseException) -> bool:
    """Return whether an exception means that the task around it is to end, or the process; else it is an outcome."""
    if isinstance(error, asyncio.CancelledError):  # or of something that was awaited
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, (KeyboardInterrupt, GeneratorExit))


class TimedOut(Exception):
    """A run took longer than its timeout."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"ran longer than {seconds:g} s")


class ProcessDied(Exception):
    """The process that ran a job ended before the job did."""

    def __init__(self, exitcode: int) -> None:
        super().__init__(f"the process of this job ended with {_cause(exitcode)}")


def _cause(exitcode: int) -> str:
    if exitcode >= 0:
        return f"exit code {exitcode}"
    try:
        return f"signal {signal.Signals(-exitcode).name}"
    except ValueError:
        return f"signal {-exitcode}"
