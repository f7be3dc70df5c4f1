"""An SMTP server that misbehaves as it is told, one answer a step."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self

DROP, HANG = "drop", "hang"

Script = Callable[[int, str], str | None]
"""(number of the connection, step) -> a reply, DROP, HANG, or None for the usual answer.

Steps: GREETING, EHLO, MAIL, RCPT, DATA, DOT (the mail is there), RSET, QUIT.
"""

_USUAL = {"GREETING": "220 hostile", "DATA": "354 go on", "QUIT": "221 bye"}


class Hostile:
    """Use with `async with`. `steps` tells what it heard, `mails` what it accepted with a 2xx that it meant."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.steps: list[tuple[int, str]] = []
        self.mails: list[bytes] = []
        self.heard: list[bytes] = []
        self.connections = 0
        self.open = 0

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"smtp://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        self.connections += 1
        self.open += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._talk(self.connections, reader, writer)
        finally:
            self.open -= 1
            writer.close()

    async def _talk(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        step = "GREETING"
        while True:
            self.steps.append((number, step))
            answer = self._script(number, step)
            if answer == HANG:
                await asyncio.Event().wait()
            if answer == DROP:
                return
            answer = answer or _USUAL.get(step, "250 2.0.0 OK")
            if step == "DOT" and answer.startswith("2"):
                self.mails.append(self.heard[-1])
            writer.write(answer.encode("utf-8", "surrogateescape") + b"\r\n")
            if step == "DATA" and answer.startswith("354"):
                self.heard.append(await reader.readuntil(b"\r\n.\r\n"))
                step = "DOT"
                continue
            line = await reader.readline()
            if not line:
                return
            step = line[:4].decode().upper().strip()
