"""How far a page of a search looks on SQLite."""

from __future__ import annotations

import pytest

from toril import Toril
from toril.store.sqlite import searching


@pytest.mark.parametrize("text", ["data.n:7", "name:x7", '"\\"n\\":7}"'])
async def test_a_page_looks_as_long_as_it_may_and_says_how_far_it_came(app: Toril, monkeypatch, text: str) -> None:
    line = app.queue("line")
    monkeypatch.setattr(searching, "SECONDS", 0.0)
    monkeypatch.setattr(searching, "PAGE", 2_000)
    await line.add_many([(f"x{number}", {"n": number}) for number in range(5_000)])
    page = await line.search(text)
    assert (page.jobs, page.looked, page.total) == ([], 2_000, 5_000)
    while page.after is not None and not page.jobs:
        page = await line.search(text, after=page.after)
    if page.after is not None:  # the last page was not yet known to be the last
        assert (await line.search(text, after=page.after)).jobs == []
    assert ([job.name for job in page.jobs], page.looked) == (["x7"], 5_000)
