"""Several transports, tried in their order."""

from __future__ import annotations

from toril.errors import ConfigurationError
from toril.messaging.transport.base import Begin, Envelope, NotNow, NotSent, Transport
from toril.messaging.transport.breaker import Breaker, Health

__all__ = ["Failover", "guarded"]


class Failover:
    """Sends by the first of some transports that takes a mail, each behind a breaker of its own.

    A transport is passed over when its breaker is open, when it fails and when it puts the mail off; a refusal for good
    is one. Once a transport has begun to hand a mail over, no other gets it: it might arrive twice.
    Raises ConfigurationError for fewer than two.
    """

    def __init__(self, *transports: Transport) -> None:
        if len(transports) < 2:  # noqa: PLR2004
            raise ConfigurationError(f"failover: expected two transports or more, got {len(transports)}")
        self._ways = [guarded(transport) for transport in transports]

    def __repr__(self) -> str:
        return f"Failover({', '.join(map(repr, self._ways))})"

    @property
    def limit(self) -> float:
        """The longest of all: only one begins."""
        return max(way.limit for way in self._ways)

    def parts(self) -> list[Transport]:
        """Return the transports that it tries."""
        return [part for way in self._ways for part in way.parts()]

    def health(self) -> list[Health]:
        """Return how each transport does, in their order."""
        return [health for way in self._ways for health in way.health()]

    async def send(self, envelope: Envelope, begin: Begin) -> str:
        """See `Transport.send`."""
        begun = False
        refused: list[NotSent] = []
        closed: list[NotNow] = []

        async def once() -> None:
            nonlocal begun
            begun = True
            await begin()

        for way in self._ways:
            try:
                return await way.send(envelope, once)
            except NotNow as error:
                closed.append(error)
            except NotSent as error:
                refused.append(error)
                if begun or error.permanent:
                    break
        if refused:
            raise _together(refused)
        raise min(closed, key=lambda error: error.seconds)

    async def close(self) -> None:
        """Close all of them."""
        for way in self._ways:
            await way.close()


def guarded(transport: Transport) -> Breaker | Failover:
    """Return a transport behind a breaker, if it has none."""
    return transport if isinstance(transport, (Breaker, Failover)) else Breaker(transport)


def _together(refused: list[NotSent]) -> NotSent:
    """Return the last refusal, with what the earlier ones said before it."""
    last = refused[-1]
    last.text = "; then ".join(error.text for error in refused)
    return last
