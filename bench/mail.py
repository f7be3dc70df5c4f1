"""`python -m bench.mail`: rendered and logged mail through real SMTP, beside a bare pooled loop that sends its bytes.

Both use as many connections to a server in a process of its own, one after the other in each round: only what is
measured side by side compares. Then a campaign beside password resets, and the memory of a worker. `--help` tells how
to measure a part alone.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import aiosmtplib

from bench.mail_app import CONNECTIONS, QUEUE, SLOTS, WELCOME, make_mailer, smtp
from bench.mail_campaign import campaign
from bench.mail_memory import memory
from bench.smtp_server import smtp_server
from toril import Worker
from toril.messaging import Mailer
from toril.messaging.transport import Envelope, Memory
from toril.worker.loop import run

ROUNDS = 5
MAILS = 4_000
MUST, AIM = 2_000, 0.5  # mails a second; ratio to the bare loop


class Pace(NamedTuple):
    """Mails a second, and the CPU of this process that one of them cost, in µs (which others disturb less)."""

    rate: float
    cpu: float


@contextmanager
def paced(found: list[Pace]) -> Iterator[None]:
    """Measure the block, in which all mails go."""
    begin, cpu = time.perf_counter(), time.process_time()
    yield
    took, cpu = time.perf_counter() - begin, time.process_time() - cpu
    found.append(Pace(MAILS / took, cpu / MAILS * 1e6))


async def bare(port: int, envelopes: list[Envelope]) -> None:
    """Send them in a pooled aiosmtplib loop."""

    async def connection(left: Iterator[Envelope]) -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, timeout=None) as client:
            for mail in left:
                await client.sendmail(mail.sender, [mail.recipient], mail.message)

    left = iter(envelopes)
    await asyncio.gather(*(connection(left) for _ in range(CONNECTIONS)))


async def queue(mailer: Mailer) -> None:
    """Queue mails in one call."""
    await mailer.send_many("welcome", [f"ana+{number}@example.com" for number in range(MAILS)], context=WELCOME)


async def the_same_bytes(folder: Path) -> list[Envelope]:
    """Return the mails that a worker sends, caught by a transport that keeps them."""
    kept = Memory()
    app, mailer = make_mailer(folder, kept)
    async with app:
        await queue(mailer)
        await Worker(app, {QUEUE: SLOTS}, burst=True).run()
    return kept.sent


async def rates(folder: Path) -> dict[str, list[Pace]]:
    """Return for each round how the bare loop, queueing and a worker did."""
    envelopes = await the_same_bytes(folder)
    found: dict[str, list[Pace]] = {"bare": [], "queue": [], "worker": []}
    with smtp_server() as port:
        app, mailer = make_mailer(folder, smtp(port))
        async with app:
            for _ in range(ROUNDS + 1):
                with paced(found["bare"]):
                    await bare(port, envelopes)
                with paced(found["queue"]):
                    await queue(mailer)
                with paced(found["worker"]):
                    await Worker(app, {QUEUE: SLOTS}, burst=True).run()
            assert await mailer.counts() == {"sent": MAILS * (ROUNDS + 2)}
    return {name: paces[1:] for name, paces in found.items()}  # the first round warms everything up


def show(found: dict[str, list[Pace]]) -> bool:
    """Print the rates; return whether mail is sent as fast as it must be."""
    rate = {name: statistics.median(pace.rate for pace in paces) for name, paces in found.items()}
    cpu = {name: statistics.median(pace.cpu for pace in paces) for name, paces in found.items()}
    ratio = statistics.median(one.rate / two.rate for one, two in zip(found["worker"], found["bare"], strict=True))
    print(f"{MAILS:,} mails, {CONNECTIONS} connections, median of {ROUNDS} rounds")
    print(f"  mails a second: bare aiosmtplib loop {rate['bare']:,.0f}, worker {rate['worker']:,.0f} (must {MUST:,})")
    print(f"  ratio {ratio:.2f}; by CPU {cpu['bare'] / cpu['worker']:.2f} (aim {AIM})", end="")
    print(f" ({cpu['bare']:.0f} and {cpu['worker']:.0f} µs a mail)")
    print(f"  queued by send_many {rate['queue']:,.0f}")
    return rate["worker"] >= MUST


PARTS: dict[str, Callable[[Path], bool]] = {
    "throughput": lambda folder: show(run(rates(folder))),
    "priority": campaign,
    "memory": memory,
}


def main() -> int:
    """Measure; exit with 1 if something is slower, or grows more, than it must."""
    parser = argparse.ArgumentParser(prog="python -m bench.mail", description="Mail, beside a bare loop.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)}; all of them if none is named")
    wanted = parser.parse_args().parts
    if unknown := sorted(set(wanted) - PARTS.keys()):
        parser.error(f"expected parts among {', '.join(PARTS)}, got {', '.join(unknown)}")
    good = True
    for part in wanted or PARTS:
        with tempfile.TemporaryDirectory(prefix="toril-bench-") as name:
            good &= PARTS[part](Path(name))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
