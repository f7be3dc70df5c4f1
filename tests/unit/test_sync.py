"""The process's loop thread, as other event loops use it."""

import asyncio
import threading

import pytest

from toril import sync


async def test_who_is_cancelled_leaves_what_he_asked_for_to_its_end():
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    async def work():
        begun.set()
        await asyncio.to_thread(go_on.wait)
        ended.set()

    asking = asyncio.create_task(sync.run_aside(work()))
    await asyncio.to_thread(begun.wait)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    go_on.set()
    assert await asyncio.to_thread(ended.wait, 10)
