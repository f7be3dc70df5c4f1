"""Applications on servers of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from toril import Toril
from toril.settings import Settings

MakeApp = Callable[..., Toril]


@pytest.fixture
async def on() -> AsyncIterator[MakeApp]:
    """Make an application on a URL: `on(server.url, prefix="shop")`; it is closed at the end."""
    apps: list[Toril] = []

    def make(url: str, **changes: object) -> Toril:
        apps.append(Toril(url, settings=Settings(env={}, dotenv=None, **changes)))
        return apps[-1]

    yield make
    for app in apps:
        await app.close()
