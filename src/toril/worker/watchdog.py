"""Ends a worker process whose event loop no longer turns, with the stacks of all threads on stderr."""

from __future__ import annotations

import asyncio
import faulthandler
import sys
from collections.abc import Callable

__all__ = ["watch"]

PATIENCE = 60.0  # seconds; twice the longest running timeout if that is more


async def watch(longest_timeout: Callable[[], float]) -> None:
    """Arm the dead man's switch each second; it needs neither the loop nor the GIL to fire."""
    try:
        while True:
            seconds = max(PATIENCE, 2 * longest_timeout())
            faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
            await asyncio.sleep(1)
    finally:
        faulthandler.cancel_dump_traceback_later()
