"""Blocking callers: one thread with an event loop in each process, started at the first use."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from toril.errors import ConfigurationError, LoopRunning

__all__ = ["run", "run_aside"]

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
    _refuse_green_threads(coroutine)  # first: with them all seem to be on the loop's own
    if _on_a_loop():
        coroutine.close()
        raise LoopRunning
    waiting = asyncio.run_coroutine_threadsafe(coroutine, _loop())
    try:
        return waiting.result()
    finally:
        waiting.cancel()  # if Ctrl-C or a server's time limit has ended the wait


async def run_aside(coroutine: Coroutine[Any, Any, T]) -> T:
    """Do what `run` does from another event loop, which goes on meanwhile.

    If the caller is cancelled, the coroutine runs to its end. Raises ConfigurationError as `run` does.
    """
    _refuse_green_threads(coroutine)
    return await asyncio.shield(asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, _loop())))


def _loop() -> asyncio.AbstractEventLoop:
    global _thread  # noqa: PLW0603
    with _starting:
        if _thread is None:
            _thread = _LoopThread()
    return _thread.loop


def _refuse_green_threads(coroutine: Coroutine[Any, Any, Any]) -> None:
    for name, question, threads in _PATCHERS:
        patcher = sys.modules.get(name)
        if patcher is not None and getattr(patcher, question)(threads):
            coroutine.close()
            raise ConfigurationError(
                f"{name.partition('.')[0]} has replaced this process's threads, and Toril needs real ones; run the "
                "server with threads instead: gunicorn --worker-class gthread --threads 8"
            )


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
