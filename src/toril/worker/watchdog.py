"""Ends a worker process that can do its work no more, with the stacks of all threads on stderr."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
from collections.abc import Callable

__all__ = ["watch"]

RET_DEAF = 4  # a lane heard nothing of a store that answers others


async def watch(patience: Callable[[], float], silence: Callable[[], float]) -> None:
    """Arm the dead man's switch each second; it needs neither the loop nor the GIL to fire.

    patience: seconds for which the event loop may stand still, and a lane may hear nothing. silence: how long one has
    heard nothing while the store answered this process otherwise.
    """
    stderr = sys.__stderr__ or sys.stderr
    try:
        while True:
            limit = patience()
            faulthandler.dump_traceback_later(limit, exit=True, file=stderr)
            if (seconds := silence()) > limit:
                print(f"no poll for {seconds:.0f} s though the store answers: the process ends", file=stderr)
                faulthandler.dump_traceback(stderr, all_threads=True)
                os._exit(RET_DEAF)
            await asyncio.sleep(1)
    finally:
        faulthandler.cancel_dump_traceback_later()
