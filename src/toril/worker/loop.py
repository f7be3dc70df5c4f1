"""The event loop of processes that are Toril's own: uvloop where there is one."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run"]

T = TypeVar("T")

_YOUNG = 10_000  # objects more than before, after which Python looks for cycles that nobody needs


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end on a fresh loop.

    Jobs under way are hundreds of tasks, frames and buffers, none of them garbage: with Python's own threshold (700)
    looking them over again and again took a third of a mail worker's time.
    """
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
