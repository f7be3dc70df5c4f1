"""Mail over SMTP: pooled connections, and the exact moment after which a lost reply is undecided."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Literal

import aiosmtplib

from toril.messaging.message import Kind
from toril.messaging.transport.base import Begin, Envelope, NotSent
from toril.messaging.transport.dialogue import Dialogue
from toril.messaging.transport.opening import Opening
from toril.messaging.transport.pool import Connection, Pool
from toril.messaging.transport.replies import refusal
from toril.messaging.transport.transcript import Transcript, cleaned
from toril.messaging.transport.wire import Broken, Wire
from toril.tracing import delivery

__all__ = ["SMTP", "Security"]

Security = Literal["none", "starttls", "tls"]

_PORTS: dict[Security, int] = {"none": 25, "starttls": 587, "tls": 465}


class SMTP:
    """Sends through one server.

    security: "none", "starttls" (required: without it nothing is sent) or "tls" from the first byte;
    certificates are verified, against those of `cafile` in place of the system's if it is given (a private CA), or by
    `tls_context`. connections: open at once for transactional mail; subscribed: for subscribed mail, which has its
    own (default: as many), so that no campaign holds up a password reset. A server that has too much to do gets
    fewer, see Pace. limit: seconds for the whole dialogue of one mail. connect_limit: seconds to connect and log in.
    idle, lifetime: seconds, see Pool.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        security: Security = "none",
        username: str | None = None,
        password: str | None = None,
        connections: int = 10,
        subscribed: int | None = None,
        limit: float = 120.0,
        connect_limit: float = 20.0,
        idle: float = 30.0,
        lifetime: float = 300.0,
        cafile: str | None = None,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._host, self._port, self._security = host, port or _PORTS[security], security
        self._username, self._password = username, password
        self._cafile, self._tls = cafile, tls_context
        self._limit, self._connect_limit = limit, connect_limit
        sizes: dict[Kind, int] = {"transactional": connections, "subscribed": subscribed or connections}
        self._pools = {
            kind: Pool(self._connect, size=size, idle=idle, lifetime=lifetime) for kind, size in sizes.items()
        }

    def __repr__(self) -> str:
        return f"SMTP({self._host}:{self._port}, security={self._security})"

    @property
    def limit(self) -> float:
        """Seconds for the whole dialogue of one mail."""
        return self._limit

    async def send(self, envelope: Envelope, begin: Begin) -> str:
        """Hand one mail over and return the server's reply; see `Transport.send`."""
        pool = self._pools[envelope.kind]
        async with pool.pace:
            with delivery("smtp", self._host, self._port, envelope.key):
                return await self._send(pool, envelope, begin)

    async def close(self) -> None:
        """Say goodbye on every open connection."""
        for pool in self._pools.values():
            await pool.close()

    async def _send(self, pool: Pool, envelope: Envelope, begin: Begin) -> str:
        while True:
            connection = pool.take()
            if connection is None:
                connection = await self._open(pool, envelope.transcript)
            else:
                envelope.transcript.note(f"{connection.wire.peer}, a connection that was used before")
            dialogue = Dialogue(connection.wire, envelope.transcript)
            try:
                async with asyncio.timeout(self._limit):
                    return await dialogue.run(envelope, begin)
            except NotSent as refused:
                if not (connection.used and dialogue.unheard and refused.code.startswith("421")):
                    await dialogue.reset()
                    raise
            except TimeoutError:
                raise dialogue.broken("timeout", f"no end of the dialogue within {self._limit:g} s") from None
            except Broken as error:
                lost = dialogue.broken(error.code, str(error))
                if not (connection.used and dialogue.unheard):
                    raise lost from None
            finally:
                pool.give(connection, reusable=dialogue.ended)
            # Here leads only a connection that the server closed while it was idle: the next one may be good.

    async def _open(self, pool: Pool, transcript: Transcript) -> Connection:
        try:
            async with asyncio.timeout(self._connect_limit):
                return await pool.open(transcript)
        except aiosmtplib.SMTPResponseException as error:
            # A refused login or greeting is about the connection: the mail itself is not at fault.
            raise refusal(error.code, error.message, permanent=False, unreachable=True) from None
        except TimeoutError:
            lost = NotSent(
                "timeout", f"no connection to {self._host} within {self._connect_limit:g} s", unreachable=True
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            text = cleaned(f"no connection to {self._host}:{self._port}: {error}")
            lost = NotSent("no connection", text, unreachable=True)
        transcript.note(lost.text)
        raise lost

    async def greet(self) -> None:
        """Connect, log in and leave, without a mail. Raises what connecting raises."""
        (await self._connect(Transcript())).close()

    async def _connect(self, transcript: Transcript) -> Wire:
        if self._tls is None and self._security != "none":
            self._tls = await asyncio.to_thread(ssl.create_default_context, cafile=self._cafile)
        client = Opening(
            transcript,
            hostname=self._host,
            port=self._port,
            local_hostname=_own_name(),
            use_tls=self._security == "tls",
            tls_context=self._tls,
        )
        login = None if self._username is None else (self._username, self._password or "")
        await client.open(login, starttls=self._security == "starttls")
        return Wire(client)


def _own_name() -> str:
    """Return what to call ourselves in EHLO, without asking DNS."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"
