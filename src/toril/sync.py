"""Blocking callers: one thread with an event loop in each process, started at the first use."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from toril.errors import LoopRunning

__all__ = ["run"]

T = TypeVar("T")


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

    Raises LoopRunning when called on a thread whose own event loop runs: it would stand still meanwhile.
    """
    global _thread  # noqa: PLW0603
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        coroutine.close()
        raise LoopRunning
    with _starting:
        if _thread is None:
            _thread = _LoopThread()
    return asyncio.run_coroutine_threadsafe(coroutine, _thread.loop).result()
