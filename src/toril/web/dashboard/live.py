"""Tells pages that something has changed, by server-sent events; the page then asks for itself again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from toril import Toril
from toril.errors import StoreUnavailable

__all__ = ["changes"]

_APART = 1.0  # seconds between two words to one page
_QUIET = 5.0  # seconds after which a page looks again all the same: progress of workers, ages, forecasts
_LIFE = 300.0  # seconds of one connection: the browser comes again, and has to show anew who it is


async def changes(app: Toril, queue: str | None) -> AsyncIterator[str]:
    """Yield an event `changed` when something has happened to jobs (of one queue), as text for the wire.

    What happens between two of them is in the page that is asked for after the second: the next stream begins
    before that is sent.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + _LIFE
    yield "retry: 2000\n\n"
    while loop.time() < end:
        try:
            stream = await app.events(queue=queue).start()
        except StoreUnavailable:  # the page then asks for itself, and is told what is wrong
            yield "event: changed\ndata: {}\n\n"
            await asyncio.sleep(_APART)
            continue
        yield "event: changed\ndata: {}\n\n"
        waiting = asyncio.ensure_future(anext(stream))
        try:
            await asyncio.wait([waiting], timeout=_QUIET)
        finally:
            waiting.cancel()
        await asyncio.sleep(_APART)
