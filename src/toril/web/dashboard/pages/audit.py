"""Who did what."""

from __future__ import annotations

from starlette.responses import Response

from toril.json import decode
from toril.web.dashboard.visit import Visit
from toril.web.problems import Problem

__all__ = ["PAGES"]

_SHOWN = 100
_DIGITS = 16  # of an id, fewer than any database's whole numbers have


async def show(visit: Visit) -> Response:
    """Show the log of actions, newest first, to administrators: it tells what colleagues did."""
    if not visit.is_admin:
        raise Problem(403, "role-missing", "The audit log is for administrators.")
    before = visit.ask("before")
    last = int(before) if before.isdecimal() and len(before) < _DIGITS else None
    entries = await visit.site.desk.audit.entries(limit=_SHOWN, before=last, queue=visit.ask("queue") or None)
    after = str(entries[-1].id) if len(entries) == _SHOWN else None
    ids = {entry.id: decode(entry.jobs) for entry in entries}
    return visit.page("audit.html", active="audit", entries=entries, ids=ids, after=after)


PAGES = [("GET", "/audit", show)]
