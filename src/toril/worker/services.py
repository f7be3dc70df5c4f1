"""Functions that run beside a worker's lanes, restarted when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from toril.log import WORKER_SERVICE_FAILED

__all__ = ["Service", "keep_running"]

Service = Callable[[], Awaitable[None]]
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds before a service that failed is started again


async def keep_running(service: Service) -> None:
    """Run a service until it returns or is cancelled; start it again, ever more slowly, when it raises."""
    pause = FIRST_PAUSE
    while True:
        try:
            await service()
        except Exception as error:  # noqa: BLE001  (whatever it is, the service is wanted)
            WORKER_SERVICE_FAILED.raised(error, service=service, retry_in=pause)
        else:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
