"""Mail over SMTP: pooled connections, and the exact moment after which a lost reply is undecided."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Literal

import aiosmtplib

from toril.messaging.transport.base import Begin, Envelope, NotSent
from toril.messaging.transport.dialogue import Dialogue, refusal
from toril.messaging.transport.pool import Connection, Pool

__all__ = ["SMTP", "Security"]

Security = Literal["none", "starttls", "tls"]

_PORTS: dict[Security, int] = {"none": 25, "starttls": 587, "tls": 465}


class SMTP:
    """Sends through one server.

    security: "none", "starttls" (required: without it nothing is sent) or "tls" from the first byte;
    certificates are verified. connections: open at once. limit: seconds for the whole dialogue of one mail.
    connect_limit: seconds to connect and log in. idle, lifetime: seconds, see Pool.
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
        limit: float = 120.0,
        connect_limit: float = 20.0,
        idle: float = 30.0,
        lifetime: float = 300.0,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._host, self._port, self._security = host, port or _PORTS[security], security
        self._username, self._password, self._tls = username, password, tls_context
        self._limit, self._connect_limit = limit, connect_limit
        self._pool = Pool(self._connect, size=connections, idle=idle, lifetime=lifetime)

    def __repr__(self) -> str:
        return f"SMTP({self._host}:{self._port}, security={self._security})"

    @property
    def limit(self) -> float:
        """Seconds for the whole dialogue of one mail."""
        return self._limit

    async def send(self, envelope: Envelope, begin: Begin) -> str:
        """Hand one mail over and return the server's reply; see `Transport.send`."""
        await self._pool.place()
        try:
            return await self._send(envelope, begin)
        finally:
            self._pool.leave()

    async def close(self) -> None:
        """Say goodbye on every open connection."""
        await self._pool.close()

    async def _send(self, envelope: Envelope, begin: Begin) -> str:
        while True:
            connection = await self._take()
            dialogue = Dialogue(connection.client)
            try:
                async with asyncio.timeout(self._limit):
                    return await dialogue.run(envelope, begin)
            except NotSent as refused:
                if not (connection.used and dialogue.unheard and refused.code.startswith("421")):
                    await dialogue.reset()
                    raise
            except TimeoutError:
                raise dialogue.broken("timeout", f"no end of the dialogue within {self._limit:g} s") from None
            except (aiosmtplib.SMTPException, OSError) as error:
                if not (connection.used and dialogue.unheard):
                    broken = isinstance(error, aiosmtplib.SMTPResponseException)
                    raise dialogue.broken("bad reply" if broken else "connection lost", str(error)) from None
            finally:
                self._pool.give(connection, reusable=dialogue.ended)
            # Here leads only a connection that the server closed while it was idle: the next one may be good.

    async def _take(self) -> Connection:
        try:
            async with asyncio.timeout(self._connect_limit):
                return await self._pool.take()
        except TimeoutError:
            raise NotSent("timeout", f"no connection to {self._host} within {self._connect_limit:g} s") from None
        except aiosmtplib.SMTPResponseException as error:
            # A refused login or greeting is about the connection: the mail itself is not at fault.
            raise refusal(error.code, error.message, permanent=False) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise NotSent("no connection", f"no connection to {self._host}:{self._port}: {error}") from None

    async def greet(self) -> None:
        """Connect, log in and leave, without a mail. Raises what connecting raises."""
        client = await self._connect()
        await client.quit()

    async def _connect(self) -> aiosmtplib.SMTP:
        if self._tls is None and self._security != "none":
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._username,
            password=self._password,
            local_hostname=_own_name(),
            timeout=None,
            use_tls=self._security == "tls",
            start_tls=self._security == "starttls",
            tls_context=self._tls,
        )
        await client.connect()
        if client.is_ehlo_or_helo_needed:
            await client.ehlo()
        return client


def _own_name() -> str:
    """Return what to call ourselves in EHLO, without asking DNS."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"
