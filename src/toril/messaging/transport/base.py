"""The seam between the outbox and whatever carries messages out.

A transport tells what happened and decides nothing: whether a mail is tried again is the outbox's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Begin", "Envelope", "NotSent", "Transport", "Undecided"]

Begin = Callable[[], Awaitable[None]]
"""Commits the mark that sending begins; what it raises passes through the transport."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message for one recipient: bare addresses, and the mail as bytes with CRLF line ends."""

    sender: str
    recipient: str
    message: bytes


class NotSent(Exception):
    """The message was certainly not accepted.

    code: short and free of personal data, such as `550 5.1.1` or `timeout`.
    text: the whole reply or error, for the delivery log.
    permanent: trying again is of no use.
    retry_after: seconds to wait, if the server named a time.
    """

    def __init__(self, code: str, text: str = "", *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.text = text or code
        self.permanent = permanent
        self.retry_after = retry_after


class Undecided(Exception):
    """The message was handed over, and no answer came: it may have been accepted."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.text = text or code


class Transport(Protocol):
    """Carries messages out."""

    @property
    def limit(self) -> float:
        """Seconds that `send` takes at most once `begin` was called."""

    async def send(self, envelope: Envelope, begin: Begin) -> str:
        """Hand one message over and return the reply of whoever accepted it.

        Awaits `begin` as late as possible, before the first byte that could lead to acceptance. Raises
        NotSent or Undecided, and whatever `begin` raises; then nothing was handed over.
        """

    async def close(self) -> None:
        """Let go of connections; `send` may be called again later."""
