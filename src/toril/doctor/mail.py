"""The way of a mail: the delivery log, the server that takes it, and who else serves its queue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from toril.errors import ConfigurationError, StoreError
from toril.finding import Finding

if TYPE_CHECKING:
    from toril.app import Toril
    from toril.messaging import Mailer

__all__ = ["look_at_mail"]


async def look_at_mail(app: Toril, mailer: Mailer | None) -> AsyncIterator[Finding]:
    """Look at a mailer, or at the transport that the settings name if there is none."""
    if mailer is None and app.settings.mail_url is None:
        yield Finding("mail", "ok", "none is set up")
        return
    from toril.messaging.transport import guarded, probe, transport_from_url

    transports = (
        mailer.transports if mailer is not None else guarded(transport_from_url(app.settings.mail_url or "")).parts()
    )
    advice = "see MAIL_HOST, MAIL_PORT, MAIL_USER and MAIL_PASSWORD; mails wait meanwhile"
    for transport in transports:
        problem = await probe(transport)
        if problem:
            yield Finding("mail server", "wrong", problem, advice)
        else:
            yield Finding("mail server", "ok", repr(transport))
    if mailer is None:
        return
    try:
        counts = await mailer.counts()
    except (StoreError, ConfigurationError) as error:
        yield Finding("delivery log", "wrong", str(error), "no mail can be accepted: see TORIL_MAIL_LOG_URL")
    else:
        told = ", ".join(f"{number:,} {status}" for status, number in sorted(counts.items()))
        yield Finding("delivery log", "ok", told or "empty")
    try:
        for queue in mailer.queues.values():
            if finding := await app.store.strangers(queue):
                yield finding
    except (StoreError, ConfigurationError):
        return  # told already
