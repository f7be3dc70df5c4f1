"""`python -m bench.smtp_server [seconds]`: an SMTP server in a process of its own that takes every mail and forgets it.

Prints its port. `seconds`: how long it thinks about each mail.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from toril.worker.loop import run

_END = b"\r\n.\r\n"
_EHLO = b"250-bench\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"


class Sink(asyncio.Protocol):
    """One connection."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._buffer = b""
        self._in_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 bench\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._buffer:
            head, end, rest = self._buffer.partition(_END if self._in_mail else b"\r\n")
            if not end:
                return
            self._buffer = rest
            if self._in_mail:
                self._in_mail = False
                self._accept()
            else:
                self._command(head[:4].upper())

    def _accept(self) -> None:
        reply = b"250 2.0.0 OK\r\n"
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._transport.write, reply)
        else:
            self._transport.write(reply)

    def _command(self, verb: bytes) -> None:
        if verb == b"DATA":
            self._in_mail = True
            self._transport.write(b"354 go on\r\n")
        elif verb == b"QUIT":
            self._transport.write(b"221 bye\r\n")
            self._transport.close()
        else:
            self._transport.write(_EHLO if verb == b"EHLO" else b"250 2.0.0 OK\r\n")


@contextmanager
def smtp_server(seconds: float = 0.0) -> Iterator[int]:
    """Run the server while the block lasts; its port."""
    command = [sys.executable, "-m", "bench.smtp_server", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.terminate()


async def serve(seconds: float) -> None:
    """Serve until the process is terminated."""
    server = await asyncio.get_running_loop().create_server(lambda: Sink(seconds), "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    run(serve(float(sys.argv[1])))
