"""The application whose mail is measured; as a program (`python -m bench.mail_app CONFIG`) a worker that sends it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toril import Toril, Worker
from toril.messaging import Mailer
from toril.messaging.transport import Transport
from toril.settings import Settings
from toril.worker.loop import run

QUEUE = "email-queue"
SLOTS, CONNECTIONS = 200, 50  # of the worker, and to the server
WELCOME = {"name": "Ana", "link": "https://shop.example/start"}
RESET = {"name": "Ana", "link": "https://shop.example/reset?token=4f2b1c"}
PROMOTION = {"name": "Ana", "title": "A summer sale", "text": "Everything is cheaper.", "link": WELCOME["link"]}


def make_mailer(folder: Path, transport: str | Transport, store: str | None = None) -> tuple[Toril, Mailer]:
    """Return an application on files in `folder`, or on the store that a URL names, and its mailer."""
    keys = {"secret_keys": "pLvJqjKqjRWXj4nG0nUZ0y5cUQbWwY6k3m6m0aX0wq8="}
    app = Toril(store or f"sqlite:///{folder / 'jobs.db'}", settings=Settings(env={}, dotenv=None, **keys))
    log = f"sqlite:///{folder / 'mail.db'}"
    return app, Mailer(app, transport, from_address="Shop <shop@example.com>", log_url=log)


def smtp(port: int) -> str:
    """Return the transport that leads to a server on this machine."""
    return f"smtp://127.0.0.1:{port}?connections={CONNECTIONS}&subscribed={CONNECTIONS // 2}"


@contextmanager
def worker(
    folder: Path, port: int, queues: dict[str, int], store: str | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Let a worker run in a process of its own while the block lasts."""
    config = json.dumps({"folder": str(folder), "port": port, "queues": queues, "store": store})
    with subprocess.Popen([sys.executable, "-m", "bench.mail_app", config], text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


async def work(folder: str, port: int, queues: dict[str, int], store: str | None) -> None:
    """Send mail until the process is terminated."""
    app, _ = make_mailer(Path(folder), smtp(port), store)
    async with app:
        await Worker(app, queues, signals=True).run()


if __name__ == "__main__":
    run(work(**json.loads(sys.argv[1])))
