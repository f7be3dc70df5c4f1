"""Whether a mail server would take a mail: connect, log in, say goodbye."""

from __future__ import annotations

import asyncio

import aiosmtplib

from toril.messaging.transport.base import Transport
from toril.messaging.transport.smtp import SMTP

__all__ = ["probe"]

LIMIT = 10.0  # seconds


async def probe(transport: Transport) -> str | None:
    """Return what keeps a transport from sending, or None; only SMTP can be asked without sending."""
    if not isinstance(transport, SMTP):
        return None
    try:
        async with asyncio.timeout(LIMIT):
            await transport.greet()
    except TimeoutError:
        return f"{transport!r}: no answer within {LIMIT:g} s"
    except (aiosmtplib.SMTPException, OSError) as error:
        return f"{transport!r}: {' '.join(str(error).split()) or type(error).__name__}"
    return None
