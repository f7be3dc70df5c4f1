"""The dashboard of the demo: on its own file, for this machine alone, with a user made for this run."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import uvicorn
from rich.console import Console

from toril.web.desk import Desk
from toril.web.server import DASHBOARD, make_server

if TYPE_CHECKING:
    from toril import Toril
    from toril.messaging import Mailer
    from toril.messaging.mailbox import Mailbox

__all__ = ["show_dashboard"]

HOST, USUAL = "127.0.0.1", 8000
USER = "demo"


async def show_dashboard(app: Toril, mailer: Mailer, mailbox: Mailbox, console: Console) -> None:
    """Serve the dashboard until Ctrl-C or SIGTERM; print where it is and how to sign in.

    Application and mailbox are open, and stay so.
    """
    password = secrets.token_urlsafe(12)
    await Desk(app).users.put(USER, password, ["admin"])
    web = make_server(app, mailer, mailbox=mailbox)
    config = uvicorn.Config(web, lifespan="off", log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    server = _Server(config)
    with _listener() as listening:
        url = f"http://{HOST}:{listening.getsockname()[1]}{DASHBOARD}"
        console.print(f"\n[bold]Dashboard[/]  {url}", highlight=False, soft_wrap=True)
        console.print(f"[bold]Sign in[/]    {USER}, password {password}", highlight=False, markup=True)
        console.print("The worker and the mailbox go on serving. Ctrl-C ends all.")
        await server.serve([listening])


class _Server(uvicorn.Server):
    """A server that ends at a signal and leaves it at that: uvicorn's own would raise it again."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop, numbers = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises instead
                loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                with contextlib.suppress(NotImplementedError):
                    loop.remove_signal_handler(number)


def _listener() -> socket.socket:
    """Return a socket on the usual port, or on any if that is taken."""
    for port in (USUAL, 0):
        with contextlib.suppress(OSError):
            return socket.create_server((HOST, port))
    raise OSError(f"no port of {HOST} can be had")
