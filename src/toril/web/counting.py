"""How many mails are in each status: a count reads as much of an index as there are mails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toril.clock import Clock

if TYPE_CHECKING:
    from toril.messaging import Mailer

__all__ = ["MailCounts"]

FEW = 100_000  # mails that are counted anew at each look: in about 0.01 s
FRESH = 5.0  # seconds for which the counts of more serve


class MailCounts:
    """The counts of one delivery log, as pages, health checks and metrics show them."""

    def __init__(self, mailer: Mailer, clock: Clock) -> None:
        self._mailer = mailer
        self._clock = clock
        self._known: Mapping[str, int] = {}
        self._until = 0.0

    async def read(self) -> Mapping[str, int]:
        """Return how many mails are in each status, of a large log at most 5 s ago; raise StoreUnavailable."""
        now = self._clock.monotonic()
        if now >= self._until:
            self._known = await self._mailer.counts()
            self._until = now + FRESH if sum(self._known.values()) > FEW else 0.0
        return self._known
