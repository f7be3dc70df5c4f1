"""A wire to a server that a test can cut: after a command was carried out, or before it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

__all__ = ["Wire"]

Meanwhile = Callable[[], Awaitable[object]]


class Wire:
    """Passes on to a server what comes in at `url`, and back, until it is told to cut."""

    def __init__(self, server: str) -> None:
        self._server = urlsplit(server)
        self._cuts: list[tuple[bytes, Meanwhile | None, bool]] = []
        self.cut = 0  # times that it has cut

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.close()

    @property
    def url(self) -> str:
        """The server's URL, by this wire."""
        port = self._listening.sockets[0].getsockname()[1]
        return self._server._replace(netloc=f"127.0.0.1:{port}").geturl()

    def lead_to(self, server: str) -> None:
        """Lead who comes from now on to another server."""
        self._server = urlsplit(server)

    def lose_reply(self, needle: str, meanwhile: Meanwhile | None = None) -> None:
        """Cut after the next command that contains `needle` was carried out; `meanwhile` before anybody notices."""
        self._cuts.append((needle.encode(), meanwhile, True))

    def lose_command(self, needle: str, meanwhile: Meanwhile | None = None) -> None:
        """Cut before the next command that contains `needle` arrives."""
        self._cuts.append((needle.encode(), meanwhile, False))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._server.hostname, self._server.port)
        replies = asyncio.create_task(self._pass_on(there, writer))
        with suppress(ConnectionError):
            while command := await reader.read(2**20):
                if self._cuts and self._cuts[0][0] in command:
                    _, meanwhile, carried_out = self._cuts.pop(0)
                    replies.cancel()
                    await asyncio.gather(replies, return_exceptions=True)
                    if carried_out:
                        back.write(command)
                        await there.read(1)
                    if meanwhile is not None:
                        await meanwhile()
                    self.cut += 1
                    break
                back.write(command)
        replies.cancel()
        for end in (writer, back):
            end.close()

    @staticmethod
    async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while reply := await reader.read(2**20):
                writer.write(reply)
