"""The memory of a worker over 100,000 mails."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.mail_app import QUEUE, SLOTS, WELCOME, make_mailer, smtp, worker
from bench.smtp_server import smtp_server
from toril.worker.loop import run

MAILS, STEP = 100_000, 10_000
MUST = 10.0  # MB that it may grow after the first 20,000


def resident(pid: int) -> float:
    """Return the memory that a process holds, in MB (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


async def samples(folder: Path, port: int) -> list[float]:
    """Return the memory of a worker after each 10,000 mails.

    They are queued as they go out: a backlog fills the page cache of the job store, 32 MiB, whatever is in it.
    """
    app, mailer = make_mailer(folder, smtp(port))
    found: list[float] = []
    async with app:
        with worker(folder, port, {QUEUE: SLOTS}) as process:
            while len(found) < MAILS // STEP:
                await mailer.send_many("welcome", [f"ana+{n}@example.com" for n in range(STEP)], context=WELCOME)
                while (await mailer.counts()).get("sent", 0) < (len(found) + 1) * STEP:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
                found.append(resident(process.pid))
    return found


def memory(folder: Path) -> bool:
    """Print the memory; return whether it stays flat."""
    with smtp_server() as port:
        found = run(samples(folder, port))
    grew = max(found) - found[1]
    print(f"memory of a worker over {MAILS:,} mails, MB after each {STEP:,}: {', '.join(f'{mb:.0f}' for mb in found)}")
    print(f"  grew by {grew:.1f} MB after the second (must: under {MUST:g})")
    return grew < MUST
