"""The audit log: who did what to which jobs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel

from toril.checks import LARGEST
from toril.json import decode
from toril.web.api.table import Routes
from toril.web.gate import TheDesk

__all__ = ["routes"]

routes = Routes("audit")


class EntryOut(BaseModel):
    """One action. `outcome`: begun, done, or failed and with what."""

    id: int
    at: int
    who: str
    origin: str
    action: str
    queue: str | None
    jobs: list[str]
    count: int | None
    detail: str
    outcome: str


class AuditPage(BaseModel):
    """Entries, the newest first."""

    entries: list[EntryOut]


@routes.get("/audit", response_model=AuditPage)
async def list_entries(
    desk: TheDesk,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    before: Annotated[int | None, Query(ge=1, le=LARGEST, description="The last id of the page before.")] = None,
    queue: Annotated[str | None, Query(max_length=255)] = None,
    who: Annotated[str | None, Query(max_length=255)] = None,
) -> Any:
    """List actions, the newest first."""
    entries = await desk.audit.entries(limit=limit, before=before, queue=queue, who=who)
    fields = [name for name in EntryOut.model_fields if name != "jobs"]
    return {
        "entries": [
            {**{name: getattr(entry, name) for name in fields}, "jobs": decode(entry.jobs)} for entry in entries
        ]
    }
