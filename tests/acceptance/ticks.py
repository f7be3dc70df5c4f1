"""Five schedules at one second, which every worker process declares: `toril worker ticks:app`."""

from __future__ import annotations

import os
from pathlib import Path

from ledger import Ledger
from toril import JobContext, Toril

app = Toril()  # TORIL_URL says where
ledger = Ledger(Path(os.environ["LEDGER"]))
NAMES = ["one", "two", "three", "four", "five"]


def tick(job: JobContext) -> None:
    """Write down which tick this is."""
    with ledger.run(job):
        pass


for number, name in enumerate(NAMES):
    times = app.every(1, missed="all") if number % 2 else app.cron("* * * * * *", missed="all")
    times(app.task(queue="ticks", name=name)(tick))
