"""Somebody else's HTML, for a frame: it runs no script, sends nothing, and knows nothing of the page around it."""

from __future__ import annotations

from starlette.responses import HTMLResponse, Response

from toril.web.dashboard.visit import guarded

__all__ = ["framed"]

# A mail's styles stand in its tags. It has an origin of its own (`sandbox`), and loads no pictures from the network:
# they would tell the sender that somebody looked.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'"


def framed(html: str) -> Response:
    """Return a mail's HTML."""
    return guarded(HTMLResponse(html), _POLICY)
