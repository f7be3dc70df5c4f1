"""A campaign to a slow server, and password resets beside it: how long a reset waits for its first attempt."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.mail_app import PROMOTION, QUEUE, RESET, SLOTS, make_mailer, smtp, worker
from bench.smtp_server import smtp_server
from toril.messaging import Mailer, MailHandle
from toril.worker.loop import run

CAMPAIGN, RESETS = 50_000, 300
SLOW = 0.05  # seconds that the server takes for each mail
PAUSE = 0.1  # seconds between two resets
MUST = 1.0  # seconds: p99


async def waits(folder: Path, port: int) -> tuple[list[float], dict[str, int]]:
    """Return how long each reset waited, in seconds, and where the campaign stood at the end."""
    app, mailer = make_mailer(folder, smtp(port))
    async with app:
        await mailer.send_many("promotion", [f"ana+{n}@example.com" for n in range(CAMPAIGN)], context=PROMOTION)
        with worker(folder, port, {QUEUE: SLOTS, f"{QUEUE}-bulk": SLOTS}):
            await sent_some(mailer)
            resets = []
            for number in range(RESETS):
                resets.append(await mailer.send("password-reset", to=f"ben+{number}@example.com", context=RESET))
                await asyncio.sleep(PAUSE)
            found = [await first_attempt(reset) for reset in resets]
        return found, await mailer.counts()


async def sent_some(mailer: Mailer) -> None:
    """Wait until the campaign is under way."""
    while (await mailer.counts()).get("sent", 0) < SLOTS:  # noqa: ASYNC110  (another process sends)
        await asyncio.sleep(0.1)


async def first_attempt(reset: MailHandle) -> float:
    """Return the seconds between a mail's row and the first attempt to send it."""
    while (row := await reset.row()).first_try_at is None:  # noqa: ASYNC110  (another process sends)
        await asyncio.sleep(0.1)
    return (row.first_try_at - row.created_at) / 1000


def campaign(folder: Path) -> bool:
    """Print what resets wait; return whether that is as little as it must be."""
    with smtp_server(SLOW) as port:
        found, counts = run(waits(folder, port))
    ordered = sorted(found)
    p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    left = counts.get("pending", 0) + counts.get("sending", 0)
    print(
        f"password resets beside {CAMPAIGN:,} subscribed mails ({left:,} left), server takes {SLOW * 1000:g} ms each:"
    )
    print(f"  first attempt after p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms (must: under {MUST:g} s)")
    return p99 < MUST and left > CAMPAIGN // 4
