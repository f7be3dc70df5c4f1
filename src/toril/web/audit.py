"""The audit log: who did what to which jobs, when, and what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from toril.clock import Clock
from toril.json import clip, dump
from toril.web.auth import Principal
from toril.web.database import Database
from toril.web.models import AuditEntry

__all__ = ["Act", "Audit"]

IDS = 1_000  # ids of jobs that an entry names
KEPT = 400 * 86_400_000  # milliseconds: a year and a month
_SWEEP = 500  # entries after which old ones are removed


@dataclass(slots=True)
class Act:
    """What an action has to say of itself: `ids` of the jobs it was done to, `count` if they are more than it names."""

    ids: list[str] = field(default_factory=list)
    count: int | None = None
    detail: str = ""


class Audit:
    """The audit log of one application. An action that it cannot write down is not done."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @contextlib.asynccontextmanager
    async def acting(
        self, who: Principal, action: str, queue: str | None = None, *, ids: Sequence[str] = (), detail: str = ""
    ) -> AsyncIterator[Act]:
        """Write an action down before it is done, and what came of it after: `async with audit.acting(…) as act`.

        action: a word such as `retry`. ids: the jobs that are asked for. detail: what else was asked; no data of
        jobs. The block puts into `act` what was done. Raises StoreUnavailable, and then nothing is done.
        """
        entry = AuditEntry(
            at=self._clock.now(), who=who.name, origin=who.origin, action=action, queue=queue,
            jobs=_ids(ids), detail=clip(detail),
        )  # fmt: skip

        async def begin(session: AsyncSession) -> int:
            session.add(entry)
            await session.flush()
            if entry.id % _SWEEP == 0:
                await session.execute(delete(AuditEntry).where(AuditEntry.at < self._clock.now() - KEPT))
            return entry.id

        number = await self._database.run(begin)
        act = Act(detail=detail)
        try:
            yield act
        except BaseException as error:
            await self._end(number, act, f"failed: {type(error).__name__}")
            raise
        await self._end(number, act, "done")

    async def entries(
        self, *, limit: int = 100, before: int | None = None, queue: str | None = None, who: str | None = None
    ) -> Sequence[AuditEntry]:
        """Return entries, the newest first; `before` is the id of the last one of the page before."""
        query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
        if before is not None:
            query = query.where(AuditEntry.id < before)
        if queue is not None:
            query = query.where(AuditEntry.queue == queue)
        if who is not None:
            query = query.where(AuditEntry.who == who)

        async def read(session: AsyncSession) -> Sequence[AuditEntry]:
            return (await session.scalars(query)).all()

        return await self._database.run(read)

    async def _end(self, number: int, act: Act, outcome: str) -> None:
        async def end(session: AsyncSession) -> None:
            entry = await session.get_one(AuditEntry, number)
            entry.outcome, entry.detail = outcome, clip(act.detail)
            entry.count = act.count if act.count is not None else len(act.ids) or None
            if act.ids:
                entry.jobs = _ids(act.ids)

        await self._database.run(end)


def _ids(ids: Sequence[str]) -> str:
    return dump(list(ids[:IDS]))
