"""Ends a worker process whose event loop no longer turns, with the stacks of all threads on stderr."""

from __future__ import annotations

import asyncio
import faulthandler
import sys
from collections.abc import Callable

__all__ = ["watch"]


async def watch(patience: Callable[[], float]) -> None:
    """Arm the dead man's switch each second; it needs neither the loop nor the GIL to fire."""
    try:
        while True:
            faulthandler.dump_traceback_later(patience(), exit=True, file=sys.__stderr__ or sys.stderr)
            await asyncio.sleep(1)
    finally:
        faulthandler.cancel_dump_traceback_later()
