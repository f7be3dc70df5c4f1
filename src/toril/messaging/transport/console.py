"""Mail to the terminal, for development without a mailbox."""

from __future__ import annotations

import email
import email.policy
import sys
from email.message import EmailMessage
from typing import TextIO

from toril.messaging.transport.base import Begin, Envelope

__all__ = ["Console"]


class Console:
    """Writes each mail's addresses, subject and text to `stream` (standard output)."""

    limit = 10.0

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def __repr__(self) -> str:
        return "Console()"

    async def send(self, envelope: Envelope, begin: Begin) -> str:
        """Print one mail."""
        message = email.message_from_bytes(envelope.message, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        body = message.get_body(("plain", "html"))
        text = body.get_content().replace("\r\n", "\n") if body else ""
        await begin()
        head = f"--- mail to {envelope.recipient} from {envelope.sender}\nSubject: {message['subject']}"
        print(
            f"{head}\n\n{text}---",
            file=self._stream or sys.stdout,
            flush=True,
        )
        return "printed"

    async def close(self) -> None:
        """Nothing is held open."""
