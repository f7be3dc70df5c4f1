"""What keeps the delivery log from growing for ever."""

from __future__ import annotations

import asyncio
import random

from toril.errors import StoreUnavailable
from toril.log import MAIL_NOT_TRIMMED, MAIL_TRIMMED
from toril.messaging.delivery import DeliveryLog
from toril.messaging.forgetting import trim

__all__ = ["keep_tidy"]

_EVERY = 3_600.0  # seconds
_DAY = 86_400_000  # milliseconds


async def keep_tidy(mails: DeliveryLog, days: int) -> None:
    """Delete each hour what has ended and is older than `days`; 0: nothing."""
    await asyncio.sleep(random.uniform(0, 60))  # not all workers of a deploy at once
    while days:
        try:
            if trimmed := await trim(mails, days * _DAY):
                MAIL_TRIMMED(mails=trimmed, days=days)
        except StoreUnavailable as error:
            MAIL_NOT_TRIMMED(error=error)
        await asyncio.sleep(_EVERY)
