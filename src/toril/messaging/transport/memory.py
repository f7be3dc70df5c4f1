"""Mail to a list, for the tests of an application."""

from __future__ import annotations

from toril.messaging.transport.base import Begin, Envelope

__all__ = ["Memory"]


class Memory:
    """Keeps each mail in `sent`."""

    limit = 10.0

    def __init__(self) -> None:
        self.sent: list[Envelope] = []

    def __repr__(self) -> str:
        return "Memory()"

    async def send(self, envelope: Envelope, begin: Begin) -> str:
        """Keep one mail."""
        await begin()
        self.sent.append(envelope)
        return "kept"

    async def close(self) -> None:
        """Nothing is held open."""
