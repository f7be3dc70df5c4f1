"""After a restore nobody knows what was done since the backup: all is held until somebody has looked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from toril.app import Toril
from toril.errors import BackupError

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = ["HOLDER", "hold", "hold_jobs", "hold_mails", "release"]

HOLDER = "toril hold"
"""By whom the queues are paused, so that no other pause is lifted."""


async def hold(app: Toril, log: URL | None, taken: str) -> tuple[list[str], int]:
    """Pause all queues that are not paused, and hold every mail that is not final; return those, and how many.

    For databases that other tools have put back. taken: when the backup was, for the reasons that people read. Raises
    BackupError if a worker is alive: it has begun already.
    """
    if alive := await app.workers():
        shown = ", ".join(f"{worker.info.host}:{worker.info.pid}" for worker in alive)
        raise BackupError(f"workers are alive ({shown}): stop them first")
    return await hold_jobs(app, app.served_queues(), taken), 0 if log is None else await hold_mails(log, app, taken)


async def hold_jobs(app: Toril, served: Iterable[str], taken: str) -> list[str]:
    """Pause the queues of a store, and those that code serves, unless somebody has; return their names."""
    names = sorted({*await app.store.queues(), *served})
    running = [name for name in names if await app.queue(name).paused() is None]
    for name in running:
        await app.queue(name).pause(by=HOLDER, why=f"restored from a backup of {taken}")
    return running


async def hold_mails(log: URL, app: Toril, taken: str) -> int:
    """Hold every mail of a delivery log that is not final; return how many there were."""
    from toril.messaging.delivery import DeliveryLog
    from toril.messaging.restoring import RESTORED

    opened = DeliveryLog(log, app.clock)
    try:
        return await opened.hold_unfinished(f"{RESTORED} of {taken}")
    finally:
        await opened.close()


async def release(app: Toril) -> list[str]:
    """Resume the queues that `hold` or a restore has paused; return their names."""
    held = [queue for queue in await app.queues() if ((await queue.paused()) or {}).get("by") == HOLDER]
    for queue in held:
        await queue.resume()
    return [queue.name for queue in held]
