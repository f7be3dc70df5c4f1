"""Pages hear of changes, and miss none between two words."""

from __future__ import annotations

import asyncio

import pytest

from stores import KINDS
from toril import Toril
from toril.settings import Settings
from toril.web.dashboard import live


@pytest.mark.parametrize("kind", ["sqlite-file", "redis"])
async def test_a_change_is_told_and_none_between_two_words_is_missed(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_QUIET", 60.0)
    async with KINDS[kind]() as store:
        app = store.app()
        await app.open()
        words = live.changes(app, "line")
        assert (await anext(words)).startswith("retry:")
        assert await anext(words) == "event: changed\ndata: {}\n\n"
        await app.queue("line").add("while nobody listens")
        async with asyncio.timeout(10):
            assert (await anext(words)).startswith("event: changed")
        waiting = asyncio.ensure_future(anext(words))
        await app.queue("another").add("anything")
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        await app.queue("line").add("something")
        async with asyncio.timeout(10):
            await waiting
        await words.aclose()


async def test_pages_are_told_of_an_outage_and_of_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_QUIET", 0.01)
    monkeypatch.setattr(live, "_APART", 0.01)
    app = Toril("redis://127.0.0.1:1", settings=Settings(env={}, dotenv=None))
    words = live.changes(app, None)
    assert [await anext(words) for _ in range(3)][1:] == ["event: changed\ndata: {}\n\n"] * 2
    await words.aclose()
    await app.close()


async def test_a_page_looks_again_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_QUIET", 0.01)
    monkeypatch.setattr(live, "_APART", 0.0)
    monkeypatch.setattr(live, "_LIFE", 1.0)
    async with KINDS["sqlite-file"]() as store:
        words = [word async for word in live.changes(store.app(), None)]
        assert len(words) > 2
        assert set(words[1:]) == {"event: changed\ndata: {}\n\n"}
