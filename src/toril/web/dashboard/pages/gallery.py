"""All templates of the mailer, each with its sample."""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response

from toril.messaging.preview import Preview, preview
from toril.web.dashboard.pages.frames import framed
from toril.web.dashboard.visit import Visit, guarded

__all__ = ["PAGES"]


async def show(visit: Visit) -> Response:
    """Show all message types."""
    kinds = sorted(visit.mailer.composer.types, key=lambda kind: (kind.kind, kind.name))
    locale, locales = _locale(visit)
    return visit.page("gallery.html", active="gallery", kinds=kinds, locale=locale, locales=locales)


async def one(visit: Visit) -> Response:
    """Show one message type: HTML, text and source."""
    locale, locales = _locale(visit)
    shown = _preview(visit)
    return visit.page(
        "template.html", active="gallery", shown=shown, source=shown.message.decode(errors="replace"),
        locale=locale, locales=locales,
    )  # fmt: skip


async def html(visit: Visit) -> Response:
    """Hand out the HTML of a sample, for a frame."""
    return framed(_preview(visit).html)


async def text(visit: Visit) -> Response:
    """Hand out the text of a sample."""
    return guarded(PlainTextResponse(_preview(visit).text))


def _locale(visit: Visit) -> tuple[str, list[str]]:
    templates = visit.mailer.composer.templates
    locales = sorted(templates.sources.locales())
    wanted = visit.ask("locale")
    return wanted if wanted in locales else templates.locale, locales


def _preview(visit: Visit) -> Preview:
    composer = visit.mailer.composer
    return preview(composer.find(visit.id), composer.templates, _locale(visit)[0])


PAGES = [
    ("GET", "/templates", show),
    ("GET", "/templates/{id}", one),
    ("GET", "/templates/{id}/html", html),
    ("GET", "/templates/{id}/text", text),
]
