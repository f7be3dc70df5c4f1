"""Who gets no mail, and why: the list of suppressions; entries are added and taken away."""

from __future__ import annotations

from starlette.responses import Response

from toril.errors import InvalidAddress, InvalidMessage, InvalidOption
from toril.masking import without_people
from toril.messaging.suppression import ALL, SUBSCRIBED, Suppression
from toril.web.dashboard.pages.messages import recipient_of
from toril.web.dashboard.visit import Visit

__all__ = ["PAGES"]

_ROWS = 100
_MOST = 1_000  # entries that a page shows: who looks for more knows an address


async def show(visit: Visit) -> Response:
    """Show the newest entries, or those of one address."""
    return await _page(visit)


async def add(visit: Visit) -> Response:
    """Let an address get no more mail; a form that cannot be understood is shown again, with what is wrong."""
    address, scope = visit.said("address"), visit.said("scope", ALL)
    reason = visit.said("reason") or f"by hand, {visit.name}"
    try:
        async with visit.acting("suppress", detail=_detail(address, scope)):
            new = await visit.mailer.suppress(address, scope=scope, reason=reason)
    except (InvalidAddress, InvalidOption, InvalidMessage) as error:
        return await _page(visit, str(error))
    said = f"{address} gets no more mail (scope {scope})." if new else "That stood in the list already."
    return visit.back(visit.url("suppressions"), said)


async def remove(visit: Visit) -> Response:
    """Let an address get mail of a scope again."""
    address, scope = visit.said("address"), visit.said("scope")
    async with visit.acting("unsuppress", detail=_detail(address, scope)):
        gone = await visit.mailer.unsuppress(address, scope=scope)
    said = f"{address} gets mail again (scope {scope})." if gone else "That stood in the list no more."
    return visit.back(visit.url("suppressions"), said)


async def _page(visit: Visit, fault: str = "") -> Response:
    """Show the page, with what is wrong with a form."""
    found: list[Suppression] = []
    asked, recipient, wide = "", "", visit.ask("all") == "yes"
    kinds = visit.mailer.composer.types
    try:
        recipient = await recipient_of(visit, "address")
        found = await visit.mailer.suppressions(address=recipient or None, limit=_MOST if wide else _ROWS)
    except InvalidAddress as error:
        asked = str(error)
    return visit.page(
        "suppressions.html",
        400 if fault or asked else 200,
        active="suppressions",
        found=found,
        more=len(found) == _ROWS and not wide,
        most=_MOST,
        recipient=recipient or visit.ask("address"),
        asked=asked,
        fault=fault,
        values={name: visit.said(name) for name in ("address", "scope", "reason")},
        scopes=[ALL, SUBSCRIBED, *sorted({kind.category for kind in kinds if kind.kind == SUBSCRIBED})],
    )


def _detail(address: str, scope: str) -> str:
    """Return what the audit log keeps, which outlives an address whose owner asks to be forgotten."""
    return f"{without_people(address)}, scope {scope}"


PAGES = [("GET", "/suppressions", show), ("POST", "/suppressions", add), ("POST", "/suppressions/remove", remove)]
