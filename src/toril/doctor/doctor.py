"""The round: settings, store, queues, schedules, mail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from toril.doctor.mail import look_at_mail
from toril.doctor.queues import look_at_queues
from toril.doctor.schedules import look_at_schedules
from toril.errors import StoreError, StoreRefused
from toril.finding import Finding
from toril.settings import mask_url

if TYPE_CHECKING:
    from toril.app import Toril
    from toril.messaging import Mailer

__all__ = ["examine"]


async def examine(app: Toril, mailer: Mailer | None = None) -> AsyncIterator[Finding]:
    """Yield what was found, part by part; a store that cannot be used ends the look at what it holds."""
    yield Finding("settings", "ok", f"store {mask_url(app.url)}, prefix {app.settings.prefix}")
    try:
        await app.store.open()
        for finding in await app.store.examine():
            yield finding
        for finding in await look_at_queues(app):
            yield finding
        for finding in await look_at_schedules(app):
            yield finding
    except StoreRefused as error:
        yield Finding("store", "wrong", str(error), "it must not be used as it is")
    except StoreError as error:
        yield Finding("store", "wrong", str(error), "see that it runs, and that its URL is right")
    async for finding in look_at_mail(app, mailer):
        yield finding
