"""One mail's SMTP dialogue, which always knows whether the server may have accepted the mail."""

from __future__ import annotations

import asyncio
import contextlib

from toril.messaging.transport.base import Begin, Envelope, NotSent, Undecided
from toril.messaging.transport.replies import refusal
from toril.messaging.transport.transcript import Transcript, cleaned
from toril.messaging.transport.wire import Broken, Reply, Wire

__all__ = ["Dialogue"]

_RESET = 5.0  # seconds
_YES, _GO_ON, _NO = 2, 3, (4, 5)


class Dialogue:
    """MAIL, RCPT, begin, DATA, the mail; the transcript has all but the mail.

    unheard: the server has agreed to nothing yet. ended: the connection is ready for another mail.
    """

    def __init__(self, wire: Wire, transcript: Transcript) -> None:
        self._wire, self._transcript = wire, transcript
        self._handed_over = False
        self.unheard = True
        self.ended = False

    async def run(self, envelope: Envelope, begin: Begin) -> str:
        """Return the server's reply to the mail; raises NotSent, Undecided and Broken."""
        mail, rcpt = f"MAIL FROM:<{envelope.sender}>", f"RCPT TO:<{envelope.recipient}>"
        await (self._together(mail, rcpt) if self._wire.pipelining else self._one_by_one(mail, rcpt))
        await begin()
        self._say("DATA")
        self._expect(_GO_ON, self._heard(await self._wire.reply()))
        reply = await self._hand_over(envelope.message)
        if reply.kind == _YES:
            self.ended = True
            return cleaned(f"{reply.code} {reply.text}")
        if reply.kind in _NO:
            raise refusal(reply.code, reply.text)
        raise Undecided("no SMTP reply", cleaned(f"expected a reply to the mail, got {reply.code} {reply.text}"))

    def broken(self, code: str, text: str) -> NotSent | Undecided:
        """Return what a timeout or a lost connection means at this point."""
        self._transcript.note(text)
        if self._handed_over:
            return Undecided(code, cleaned(text))
        return NotSent(code, cleaned(text), unreachable=True)

    async def reset(self) -> None:
        """Make the connection ready for another mail after a refusal, if it still answers."""
        with contextlib.suppress(Broken, TimeoutError):
            async with asyncio.timeout(_RESET):
                self._say("RSET")
                self.ended = self._heard(await self._wire.reply()).kind == _YES

    async def _one_by_one(self, *commands: str) -> None:
        for command in commands:
            self._say(command)
            self._expect(_YES, self._heard(await self._wire.reply()))

    async def _together(self, mail: str, rcpt: str) -> None:
        self._say(mail, rcpt)
        try:
            self._expect(_YES, self._heard(await self._wire.reply()))
        except NotSent:
            # A server that closes after the first answers no more.
            with contextlib.suppress(Broken, TimeoutError):
                async with asyncio.timeout(_RESET):
                    self._heard(await self._wire.reply())
            raise
        self._expect(_YES, self._heard(await self._wire.reply()))

    def _expect(self, kind: int, reply: Reply) -> None:
        if reply.kind != kind:
            raise refusal(reply.code, reply.text)
        self.unheard = False

    async def _hand_over(self, message: bytes) -> Reply:
        stuffed = message.replace(b"\r\n.", b"\r\n..")  # no mail begins with a dot: it begins with a header
        self._wire.write(stuffed + b".\r\n")
        # From here on the final dot may be on its way: no answer is no longer a no.
        self._handed_over = True
        self._transcript.said(f"(the mail, {len(message):,} bytes)")
        return self._heard(await self._wire.reply())

    def _say(self, *commands: str) -> None:
        self._wire.write("".join(f"{command}\r\n" for command in commands).encode("ascii"))
        for command in commands:
            self._transcript.said(command)

    def _heard(self, reply: Reply) -> Reply:
        self._transcript.heard(*reply)
        return reply
