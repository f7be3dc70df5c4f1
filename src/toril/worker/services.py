"""Functions that run beside a worker's lanes, restarted when they fail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

__all__ = ["Service", "keep_running"]

log = logging.getLogger("toril.worker")

Service = Callable[[], Awaitable[None]]
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds before a service that failed is started again


async def keep_running(service: Service) -> None:
    """Run a service until it returns or is cancelled; start it again, ever more slowly, when it raises."""
    pause = FIRST_PAUSE
    while True:
        try:
            await service()
        except Exception:
            log.exception("service %s failed; starting it again in %g s", service, pause)
        else:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
