"""What runs inside a process of `process=True` tasks."""

from __future__ import annotations

import ctypes
import importlib
import os
import pickle
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from toril.json import clip, encode
from toril.tracing import continued

if TYPE_CHECKING:
    from toril.task import Task

__all__ = ["READY", "Answer", "Request", "serve"]

READY = b"ready"
PR_SET_PDEATHSIG = 1  # Linux: the signal that a process gets when its parent dies
_STACK = 65_536  # bytes of a traceback that are sent


Request = tuple[str, str, str, str | None]
"""Module and name of a task, a job's data, and the trace context of its run."""


class TaskError(Exception):
    """Stands for an exception that cannot leave its process."""


class _InItsProcess(Exception):
    """Shows where in its process an exception was raised."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Answer(NamedTuple):
    """What became of a run: its result as JSON text, or (pickled if that is possible) what it raised."""

    text: str | None
    error: bytes | None
    reason: str
    stack: str
    rss: int  # bytes held after the run
    peak: int  # bytes held at most during the run; 0: cannot be told

    def exception(self) -> BaseException:
        """Return what the run raised, with its traceback as the cause."""
        error = None if self.error is None else pickle.loads(self.error)  # noqa: S301  (our own child)
        if not isinstance(error, BaseException):
            error = TaskError(self.reason)
        error.__cause__ = _InItsProcess(self.stack)
        return error


def serve(pipe: Connection[Any, Any]) -> None:
    """Run one job after the other until the pipe is closed."""
    _prepare()
    pipe.send_bytes(READY)
    while True:
        try:
            request: Request = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send_bytes(pickle.dumps(_answer(pipe, *request)))


def _prepare() -> None:
    """Leave Ctrl-C and a group's SIGTERM to the worker, and die with it even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setsid"):
        os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _answer(pipe: Connection[Any, Any], module: str, name: str, data: str, trace: str | None) -> Answer:
    begun = False
    try:
        task = _find(module, name)
        pipe.send_bytes(READY)
        begun = True
        _reset_peak()
        with continued(trace):
            text = encode(task.function(**task.arguments.read(task.name, data)), "result")
    except BaseException as error:  # noqa: BLE001  (whatever it is belongs to the job)
        if not begun:
            pipe.send_bytes(READY)
        stack = clip("".join(traceback.format_exception(error)), _STACK)
        return Answer(
            None, _pickled(error), clip(traceback.format_exception_only(error)[-1].strip()), stack, *_memory()
        )
    return Answer(text, None, "", "", *_memory())


def _find(module: str, name: str) -> Task[Any, Any]:
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    task: Task[Any, Any] = found
    return task


def _pickled(error: BaseException) -> bytes | None:
    """Return an exception as bytes if it comes back from them; many a class of its own does not."""
    if not isinstance(error, (Exception, SystemExit)):  # not to be raised in the worker
        return None
    try:
        raw = pickle.dumps(error)
        pickle.loads(raw)  # noqa: S301
    except Exception:  # noqa: BLE001  (any code of the exception's class may run)
        return None
    return raw


def _reset_peak() -> None:
    if sys.platform == "linux":
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        except OSError:  # a kernel without it: the peak is that of all runs
            return


def _memory() -> tuple[int, int]:
    """Return the bytes that this process holds, and held at most since the last reset."""
    if sys.platform != "linux":
        return 0, 0
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    sizes = {
        key: int(rest.split()[0]) * 1024 for key, _, rest in (line.partition(":") for line in lines) if key in _SIZES
    }
    return sizes.get("VmRSS", 0), sizes.get("VmHWM", 0)


_SIZES = ("VmRSS", "VmHWM")
