"""`python -m bench.mail`: rendered and logged mail through real SMTP, beside a bare pooled loop that sends its bytes.

Both use as many connections to a server in a process of its own, one after the other in each round: only what is
measured side by side compares. Then a campaign beside password resets, and the memory of a worker.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiosmtplib

from bench.mail_app import CONNECTIONS, QUEUE, SLOTS, WELCOME, make_mailer, smtp
from bench.mail_campaign import campaign
from bench.mail_memory import memory
from bench.smtp_server import smtp_server
from toril import Toril, Worker
from toril.messaging import Mailer
from toril.messaging.transport import Envelope, Memory
from toril.worker.loop import run

ROUNDS = 5
MAILS = 4_000
MUST, AIM = 2_000, 0.5  # mails a second; ratio to the bare loop


async def bare(port: int, envelopes: list[Envelope]) -> float:
    """Send them in a pooled aiosmtplib loop; return mails a second."""

    async def connection(left: Iterator[Envelope]) -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, timeout=None) as client:
            for mail in left:
                await client.sendmail(mail.sender, [mail.recipient], mail.message)

    left = iter(envelopes)
    begin = time.perf_counter()
    await asyncio.gather(*(connection(left) for _ in range(CONNECTIONS)))
    return len(envelopes) / (time.perf_counter() - begin)


async def queue_and_send(app: Toril, mailer: Mailer) -> tuple[float, float]:
    """Queue mails in one call and let one worker send them; return both rates."""
    begin = time.perf_counter()
    await mailer.send_many("welcome", [f"ana+{number}@example.com" for number in range(MAILS)], context=WELCOME)
    queued = time.perf_counter()
    await Worker(app, {QUEUE: SLOTS}, burst=True).run()
    return MAILS / (queued - begin), MAILS / (time.perf_counter() - queued)


async def the_same_bytes(folder: Path) -> list[Envelope]:
    """Return the mails that a worker sends, caught by a transport that keeps them."""
    kept = Memory()
    app, mailer = make_mailer(folder, kept)
    async with app:
        await queue_and_send(app, mailer)
    return kept.sent


async def rates(folder: Path) -> list[tuple[float, float, float]]:
    """Return for each round the rates of the bare loop, of a worker, and of queueing."""
    envelopes = await the_same_bytes(folder)
    found = []
    with smtp_server() as port:
        app, mailer = make_mailer(folder, smtp(port))
        async with app:
            for number in range(ROUNDS + 1):
                beside = await bare(port, envelopes)
                queued, sent = await queue_and_send(app, mailer)
                if number:  # the first round warms everything up
                    found.append((beside, sent, queued))
            assert await mailer.counts() == {"sent": MAILS * (ROUNDS + 2)}
    return found


def show(found: list[tuple[float, float, float]]) -> bool:
    """Print the rates; return whether mail is sent as fast as it must be."""
    beside, sent, queued = (statistics.median(column) for column in zip(*found, strict=True))
    ratio = statistics.median(rate / bare for bare, rate, _ in found)
    print(f"{MAILS:,} mails, {CONNECTIONS} connections, median of {ROUNDS} rounds, mails a second:")
    print(f"  bare aiosmtplib loop {beside:,.0f}   worker {sent:,.0f} (must {MUST:,})   ratio {ratio:.2f} (aim {AIM})")
    print(f"  queued by send_many {queued:,.0f}")
    return sent >= MUST


def main() -> int:
    """Measure; exit with 1 if something is slower, or grows more, than it must."""
    good = True
    for measure in (lambda folder: show(run(rates(folder))), campaign, memory):
        with tempfile.TemporaryDirectory(prefix="toril-bench-") as name:
            good &= measure(Path(name))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
