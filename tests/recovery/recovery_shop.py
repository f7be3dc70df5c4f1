"""The application of these tests: jobs that end when they may, and mail into a folder."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from ledger import Ledger
from toril import JobContext, Toril
from toril.messaging import Mailer

HERE = Path(os.environ["HERE"])
app = Toril()  # TORIL_URL says where
mailer = Mailer(app, f"file://{HERE / 'outbox'}", from_address="Shop <shop@example.com>")
ledger = Ledger(HERE / "ledger")


@app.task(queue="work")
async def ship(job: JobContext, order: int) -> int:
    """Run until the gate is open."""
    with ledger.run(job):
        while not (HERE / "gate").exists():
            await asyncio.sleep(0.02)
    return order
