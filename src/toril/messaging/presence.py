"""Whether a database server is still there while it takes its time to answer.

A slow answer is no fault, a server that says nothing any more is one: whoever waits longer than usual asks it something
else meanwhile, on a connection of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

__all__ = ["answered"]

T = TypeVar("T")

_SOON, _LATER = 0.1, 5.0  # seconds before the server is asked whether it is there, and between two such questions
_THERE = 0.6  # seconds that it has to say so

_given_up: set[asyncio.Task[Any]] = set()  # of which the driver still has to let go


async def answered(engine: AsyncEngine, question: Coroutine[Any, Any, T]) -> T:
    """Return what `question`, asked by way of `engine`, is answered; raise TimeoutError if nobody is there to do so."""
    if engine.dialect.name == "sqlite":
        return await question
    asking = asyncio.create_task(question)
    try:
        pause = _SOON
        while not (await asyncio.wait([asking], timeout=pause))[0]:
            if not await _is_there(engine) and not asking.done():
                raise TimeoutError
            pause = _LATER
        return asking.result()
    finally:
        if not asking.done():
            asking.cancel()
            _given_up.add(asking)
            asking.add_done_callback(_forget)


async def _is_there(engine: AsyncEngine) -> bool:
    other = create_async_engine(engine.url, poolclass=NullPool, hide_parameters=True)
    try:
        async with asyncio.timeout(_THERE), other.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return True  # it says why it cannot answer
    except OSError:
        return False
    else:
        return True


def _forget(asking: asyncio.Task[Any]) -> None:
    _given_up.discard(asking)
    if not asking.cancelled():
        asking.exception()  # heard
