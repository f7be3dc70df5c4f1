"""What keeps the delivery log from growing for ever."""

from __future__ import annotations

import asyncio
import logging
import random

from toril.errors import StoreUnavailable
from toril.messaging.delivery import DeliveryLog
from toril.messaging.forgetting import trim

__all__ = ["keep_tidy"]

log = logging.getLogger("toril.mail")

_EVERY = 3_600.0  # seconds
_DAY = 86_400_000  # milliseconds


async def keep_tidy(mails: DeliveryLog, days: int) -> None:
    """Delete each hour what has ended and is older than `days`; 0: nothing."""
    await asyncio.sleep(random.uniform(0, 60))  # not all workers of a deploy at once
    while days:
        try:
            if trimmed := await trim(mails, days * _DAY):
                log.info("deleted %d mails older than %d days from the delivery log", trimmed, days)
        except StoreUnavailable as error:
            log.warning("old mails stay in the delivery log for now: %s", error)
        await asyncio.sleep(_EVERY)
