"""How an SMTP connection is opened: greeting, EHLO, STARTTLS, login; written down but for what the login holds."""

from __future__ import annotations

from typing import Any

import aiosmtplib

from toril.messaging.transport.transcript import Transcript

__all__ = ["Opening"]


class Opening(aiosmtplib.SMTP):
    """A client that writes down what it says and hears while it connects. options: of aiosmtplib's client."""

    def __init__(self, transcript: Transcript, **options: Any) -> None:
        super().__init__(**options, start_tls=False, timeout=None)
        self._transcript = transcript

    @property
    def peer(self) -> str:
        """With whom it speaks, and how."""
        known = self.hostname if self._address() == self.hostname else f"{self.hostname} ({self._address()})"
        return f"{known}, port {self.port}, {self._tls()}"

    async def open(self, login: tuple[str, str] | None, *, starttls: bool) -> None:
        """Connect, and log in with a user and password if they are given. Raises aiosmtplib's errors and OSError."""
        self._transcript.note(f"{self.hostname}, port {self.port}, a new connection")
        try:
            await self._greet()
            await self.ehlo()
            if starttls:
                await self._secure()
                await self.ehlo()
            if login is not None:
                await self.login(*login)
        except BaseException:
            self.close()
            raise

    async def execute_command(self, *args: bytes, **options: Any) -> aiosmtplib.SMTPResponse:
        """Write a command and its answer down: of a login only that it is one."""
        shown = {b"EHLO": 2, b"AUTH": 2}.get(args[0], 0)
        said = [arg.decode("ascii", "replace") for arg in args[:shown]]
        self._transcript.said(" ".join([*said, "(left out)"] if len(args) > shown else said))
        answer = await super().execute_command(*args, **options)
        self._transcript.heard(answer.code, answer.message)
        return answer

    async def _greet(self) -> None:
        try:
            greeting = await self.connect()
        except aiosmtplib.SMTPConnectResponseError as refused:
            self._transcript.heard(refused.code, refused.message)
            raise
        self._transcript.note(f"connected to {self._address()}, {self._tls()}")
        self._transcript.heard(greeting.code, greeting.message)

    async def _secure(self) -> None:
        if not self.supports_extension("starttls"):
            raise aiosmtplib.SMTPNotSupported("the server does not offer STARTTLS")
        self._transcript.said("STARTTLS")
        try:
            answer = await self.starttls()
        except aiosmtplib.SMTPResponseException as refused:
            self._transcript.heard(refused.code, refused.message)
            raise
        self._transcript.heard(answer.code, answer.message)
        self._transcript.note(self._tls())

    def _address(self) -> str:
        return str(self.get_transport_info("peername")[0])

    def _tls(self) -> str:
        secured = self.get_transport_info("ssl_object")
        return "no TLS" if secured is None else f"{secured.version()}"
