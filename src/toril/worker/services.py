"""Functions that run beside a worker's lanes, restarted when they fail."""

from __future__ import annotations

import asyncio

from toril.log import WORKER_SERVICE_FAILED
from toril.registry import Service
from toril.worker.outcomes import is_our_end

__all__ = ["keep_running"]

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds before a service that failed is started again


async def keep_running(service: Service) -> None:
    """Run a service until it returns or is cancelled; start it again, ever more slowly, when it raises."""
    pause = FIRST_PAUSE
    while True:
        try:
            await service()
        except BaseException as error:  # whatever it is, the service is wanted
            if is_our_end(error):
                raise
            WORKER_SERVICE_FAILED.raised(error, service=service, retry_in=pause)
        else:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
