"""The seam between the outbox and whatever carries messages out.

A transport tells what happened and decides nothing: whether a mail is tried again is the outbox's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from toril.messaging.message import Kind
from toril.messaging.transport.transcript import Transcript

__all__ = ["Begin", "Busy", "Envelope", "NotNow", "NotSent", "Transport", "Undecided"]

Begin = Callable[[], Awaitable[None]]
"""Commits the mark that sending begins; what it raises passes through the transport."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message for one recipient: bare addresses, and the mail as bytes with CRLF line ends.

    kind: "transactional" or "subscribed"; each has connections of its own. key: the same for every attempt at a
    message and for no other, for transports that can tell a repetition by it. transcript: where a transport writes
    down what was said in this attempt.
    """

    sender: str
    recipient: str
    message: bytes
    kind: Kind = "transactional"
    key: str = ""
    transcript: Transcript = field(default_factory=Transcript, compare=False, repr=False)


class NotSent(Exception):
    """The message was certainly not accepted.

    code: short and free of personal data, such as `550 5.1.1` or `timeout`.
    text: the whole reply or error, for the delivery log.
    permanent: trying again is of no use.
    retry_after: seconds to wait, if the server named a time.
    unreachable: the transport is at fault, whatever the message; enough of these open its breaker.
    """

    def __init__(
        self,
        code: str,
        text: str = "",
        *,
        permanent: bool = False,
        retry_after: float | None = None,
        unreachable: bool = False,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.text = text or code
        self.permanent = permanent
        self.retry_after = retry_after
        self.unreachable = unreachable


class Busy(NotSent):
    """The server has too much to do: the message is not at fault, and must wait."""


class NotNow(Exception):
    """The transport takes nothing for `seconds`: its breaker is open, or its server asked for a pause.

    Nothing was tried, so no attempt is used.
    """

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds


class Undecided(Exception):
    """The message was handed over, and no answer came: it may have been accepted.

    repeatable: the transport knows a repetition by the envelope's key, so that another attempt doubles nothing.
    """

    def __init__(self, code: str, text: str = "", *, repeatable: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.text = text or code
        self.repeatable = repeatable


class Transport(Protocol):
    """Carries messages out."""

    @property
    def limit(self) -> float:
        """Seconds that `send` takes at most once `begin` was called."""

    async def send(self, envelope: Envelope, begin: Begin) -> str:
        """Hand one message over and return the reply of whoever accepted it.

        Awaits `begin` as late as possible, before the first byte that could lead to acceptance. Raises NotNow,
        NotSent (or Busy) or Undecided, and whatever `begin` raises; then nothing was handed over.
        """

    async def close(self) -> None:
        """Let go of connections; `send` may be called again later."""
