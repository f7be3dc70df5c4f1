"""One mail's SMTP dialogue, which always knows whether the server may have accepted the mail."""

from __future__ import annotations

import contextlib
import re

import aiosmtplib

from toril.messaging.transport.base import Begin, Envelope, NotSent, Undecided

__all__ = ["Dialogue", "refusal"]

_PERMANENT = 500
_RESET = 5.0  # seconds
_LONGEST_REPLY = 1_000  # characters
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
_AGAIN_IN = re.compile(
    r"\b(?:again|retry|wait|delay)\b.{0,40}?\b(\d{1,6})\s*(s|sec|second|m|min|minute|h|hour)s?\b",
    re.IGNORECASE | re.DOTALL,
)
_SECONDS = {"s": 1, "m": 60, "h": 3600}


class Dialogue:
    """MAIL, RCPT, begin, DATA, the mail.

    unheard: the server has agreed to nothing yet. ended: the connection is ready for another mail.
    """

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self._client = client
        self._handed_over = False
        self.unheard = True
        self.ended = False

    async def run(self, envelope: Envelope, begin: Begin) -> str:
        """Return the server's reply to the mail; raises NotSent, Undecided and aiosmtplib's errors."""
        await self._say(b"MAIL", b"FROM:<%b>" % envelope.sender.encode("ascii"))
        await self._say(b"RCPT", b"TO:<%b>" % envelope.recipient.encode("ascii"))
        await begin()
        await self._say(b"DATA", expected=3)
        code, text = await self._hand_over(envelope.message)
        if code // 100 == 2:  # noqa: PLR2004
            self.ended = True
            return _clean(f"{code} {text}")
        if code // 100 in {4, 5}:
            raise refusal(code, text)
        raise Undecided("no SMTP reply", _clean(f"expected a reply to the mail, got {code} {text}"))

    def broken(self, code: str, text: str) -> NotSent | Undecided:
        """Return what a timeout or a lost connection means at this point."""
        return Undecided(code, _clean(text)) if self._handed_over else NotSent(code, _clean(text))

    async def reset(self) -> None:
        """Make the connection ready for another mail after a refusal, if it still answers."""
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await self._client.rset(timeout=_RESET)
            self.ended = True

    async def _say(self, *words: bytes, expected: int = 2) -> None:
        code, text = await self._client.execute_command(*words, timeout=None)
        if code // 100 != expected:
            raise refusal(code, text)
        self.unheard = False

    async def _hand_over(self, message: bytes) -> aiosmtplib.SMTPResponse:
        protocol = self._client.protocol
        if protocol is None or not protocol.is_connected:
            raise aiosmtplib.SMTPServerDisconnected("before the mail was written")
        stuffed = message.replace(b"\r\n.", b"\r\n..")  # no mail begins with a dot: it begins with a header
        # From here on the final dot may be on its way: no answer is no longer a no.
        self._handed_over = True
        protocol.write(stuffed + b".\r\n")
        return await protocol.read_response()


def refusal(code: int, text: str, *, permanent: bool | None = None) -> NotSent:
    """Return what an SMTP reply that says no means; 5xx is permanent unless told otherwise."""
    enhanced = _ENHANCED.match(text)
    short = f"{code} {enhanced.group()}" if enhanced else str(code)
    if permanent is None:
        permanent = code >= _PERMANENT
    named = None if permanent else _AGAIN_IN.search(text)
    retry_after = int(named[1]) * _SECONDS[named[2][0].lower()] if named else None
    return NotSent(short, _clean(f"{code} {text}"), permanent=permanent, retry_after=retry_after)


def _clean(reply: str) -> str:
    """Return a reply as text that every database takes, whatever bytes the server sent."""
    text = reply.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(char if char.isprintable() else " " for char in text[:_LONGEST_REPLY])
