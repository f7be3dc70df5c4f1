"""How runs end that do not end by themselves."""

from __future__ import annotations

import signal

__all__ = ["ProcessDied", "TimedOut"]


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
