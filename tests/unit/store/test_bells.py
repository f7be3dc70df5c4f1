"""Who is woken up when, where only the inside of the store can be made to wait."""

from __future__ import annotations

import asyncio

from toril import Toril
from toril.store.sqlite.store import SqliteStore


async def test_a_listener_takes_no_ring_from_another_that_has_yet_to_hear_it(settings, monkeypatch) -> None:
    async with Toril("sqlite:///:memory:", settings=settings) as app:
        store, queue = app.store, app.queue("q")
        assert isinstance(store, SqliteStore)
        mark = await store.cursor()
        looked, go_on, look = asyncio.Event(), asyncio.Event(), store._look

        async def slow_look(*arguments: object) -> object:
            found = await look(*arguments)
            looked.set()
            await go_on.wait()
            return found

        monkeypatch.setattr(store, "_look", slow_look)
        first = asyncio.create_task(store.events(mark, 60))
        await looked.wait()  # it has found nothing, and is about to wait
        monkeypatch.setattr(store, "_look", look)
        await queue.add("job")
        await asyncio.sleep(0)
        assert len((await store.events(mark, 60)).events) == 1
        go_on.set()
        async with asyncio.timeout(5):
            assert len((await first).events) == 1
