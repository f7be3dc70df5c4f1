"""Blocking callers: one thread with an event loop in each process, started at the first use."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from toril.errors import ConfigurationError, LoopRunning, TorilError

__all__ = ["run"]

T = TypeVar("T")

# Who may have put green threads in the place of real ones, and how to ask it; asked only if it is imported anyway
_PATCHERS = (
    ("gevent.monkey", "is_module_patched", "threading"),
    ("eventlet.patcher", "is_monkey_patched", "thread"),
)


class _LoopThread:
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="toril-loop", daemon=True).start()


_starting = threading.Lock()
_thread: _LoopThread | None = None


def _forget() -> None:
    """A forked child has none of its parent's threads."""
    global _thread, _starting
    _thread, _starting = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the process's loop thread and return what it returns.

    Raises LoopRunning when called on a thread whose own event loop runs: it would stand still meanwhile. Raises
    ConfigurationError where gevent or eventlet has replaced threads.
    """
    global _thread  # noqa: PLW0603
    problem = _problem()
    if problem is not None:
        coroutine.close()
        raise problem
    with _starting:
        if _thread is None:
            _thread = _LoopThread()
    waiting = asyncio.run_coroutine_threadsafe(coroutine, _thread.loop)
    try:
        return waiting.result()
    finally:
        waiting.cancel()  # if Ctrl-C or a server's time limit has ended the wait


def _problem() -> TorilError | None:
    """Return why nobody may wait here for the loop thread, if so."""
    for name, question, threads in _PATCHERS:  # first: with green threads all seem to be on the loop's own
        patcher = sys.modules.get(name)
        if patcher is not None and getattr(patcher, question)(threads):
            return ConfigurationError(
                f"{name.partition('.')[0]} has replaced this process's threads, and Toril needs real ones; run the "
                "server with threads instead: gunicorn --worker-class gthread --threads 8"
            )
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return None
    return LoopRunning()
