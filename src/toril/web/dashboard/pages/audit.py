"""Who did what."""

from __future__ import annotations

from starlette.responses import Response

from toril.json import decode
from toril.web.dashboard.visit import Visit

__all__ = ["PAGES"]

_SHOWN = 100


async def show(visit: Visit) -> Response:
    """Show the log of actions, newest first."""
    before = visit.ask("before")
    entries = await visit.site.desk.audit.entries(
        limit=_SHOWN, before=int(before) if before.isdecimal() else None, queue=visit.ask("queue") or None
    )
    after = str(entries[-1].id) if len(entries) == _SHOWN else None
    ids = {entry.id: decode(entry.jobs) for entry in entries}
    return visit.page("audit.html", active="audit", entries=entries, ids=ids, after=after)


PAGES = [("GET", "/audit", show)]
