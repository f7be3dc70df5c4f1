"""Requests that may be repeated: the same `Idempotency-Key` is acted upon once, and answered the same for a day."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Header
from pydantic import BaseModel
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from toril.web.auth import Principal
from toril.web.desk import Desk
from toril.web.models import Answer
from toril.web.problems import Problem

__all__ = ["IdempotencyKey", "key_digest", "once"]

M = TypeVar("M", bound=BaseModel)
KEPT = 86_400_000  # milliseconds
UNDER_WAY = 60_000  # milliseconds after which a request that never ended is taken up anew

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Your own name for this request: repeated under the same key it is acted upon once, and answered "
        "as the first time, for a day.",
    ),
]


def key_digest(who: Principal, key: str) -> str:
    """Return a short text that stands for one caller's key."""
    return hashlib.sha256(f"{who.origin}\0{who.name}\0{key}".encode()).hexdigest()[:40]


async def once(
    desk: Desk, who: Principal, key: str | None, request: BaseModel, kind: type[M], act: Callable[[], Awaitable[M]]
) -> M:
    """Return what `act` returns (a `kind`), or returned when the same request came before under this key.

    Raises Problem 422 if the key was used for another request, 409 while that one is under way.
    """
    if key is None:
        return await act()
    name = key_digest(who, key)
    body = hashlib.sha256(f"{type(request).__name__}{request.model_dump_json()}".encode()).hexdigest()
    stored = await desk.database.run(lambda session: _begin(session, name, body, desk.app.clock.now()))
    if stored is not None:
        return kind.model_validate_json(stored)
    try:
        result = await act()
    except BaseException:
        await desk.database.run(lambda session: session.execute(delete(Answer).where(Answer.key == name)))
        raise

    async def keep(session: AsyncSession) -> None:
        (await session.get_one(Answer, name)).body = result.model_dump_json()

    await desk.database.run(keep)
    return result


async def _begin(session: AsyncSession, name: str, body: str, now: int) -> str | None:
    """Note that a request begins; return what was answered to it before, if it was."""
    await session.execute(delete(Answer).where(Answer.at < now - KEPT))
    known = await session.get(Answer, name, with_for_update=True)
    if known is None:
        session.add(Answer(key=name, request=body, at=now))
        return None
    if known.request != body:
        raise Problem(422, "key-reused", "Idempotency-Key: it was used for another request")
    if known.body is None and now - known.at < UNDER_WAY:
        raise Problem(409, "under-way", "a request with this key is under way", headers={"Retry-After": "1"})
    known.at = now
    return known.body
