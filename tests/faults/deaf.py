"""A worker whose lane the store answers no more, while its heartbeat is answered: `deaf.py FILE`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from toril import StoreUnavailable, Toril, Worker
from toril.settings import Settings

app = Toril(f"sqlite:///{sys.argv[1]}", settings=Settings(env={}, dotenv=None, loop_patience=4))


async def deaf(*_: Any) -> None:
    raise StoreUnavailable("a connection that is broken for ever")


async def main() -> None:
    async with app:
        app.store.step = deaf  # type: ignore[method-assign,assignment]
        await Worker(app, {"work": 1}, signals=True).run()


asyncio.run(main())
