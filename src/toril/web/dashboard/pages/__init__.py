"""The pages behind the door, a file for each thing that they are about: (method, path, page)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.responses import Response

from toril.web.dashboard.pages import (
    audit,
    changing,
    errors,
    flows,
    gallery,
    jobs,
    mailbox,
    messages,
    overview,
    queues,
    schedules,
    selection,
    suppressions,
    timing,
    workers,
)
from toril.web.dashboard.visit import Visit

__all__ = ["MAILBOX_PAGES", "MAIL_PAGES", "PAGES"]

_Pages = Sequence[tuple[str, str, Callable[[Visit], Awaitable[Response]]]]

PAGES: _Pages = [
    *overview.PAGES,
    *queues.PAGES,
    *changing.PAGES,
    *selection.PAGES,
    *jobs.PAGES,
    *flows.PAGES,
    *errors.PAGES,
    *schedules.PAGES,
    *timing.PAGES,
    *workers.PAGES,
    *audit.PAGES,
]
MAIL_PAGES: _Pages = [*messages.PAGES, *suppressions.PAGES, *gallery.PAGES]
MAILBOX_PAGES: _Pages = mailbox.PAGES
