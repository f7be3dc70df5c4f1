"""Mail that advertises."""

from __future__ import annotations

from toril.messaging.catalogue.fields import Day, Line, Note
from toril.messaging.message import Context, WebURL

__all__ = ["Promotion"]


class Promotion(Context, kind="subscribed", priority=3):
    """An offer: `title` is its subject, `text` a paragraph, `button` the words on the link to it."""

    title: Line
    text: Note
    link: WebURL
    name: Line | None = None
    image: WebURL | None = None
    code: Line | None = None
    button: Line | None = None
    ends_on: Day | None = None
