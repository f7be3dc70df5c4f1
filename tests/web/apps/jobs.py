"""The jobs: the web process imports this module, and so does `toril worker jobs:app`."""

import asyncio
from pathlib import Path

from toril import Exponential, Toril

app = Toril("sqlite:///jobs.db")


@app.task(queue="emails", attempts=3, backoff=Exponential(5.0), timeout=60)
async def welcome(to: str) -> str:
    await asyncio.sleep(0.02)  # your mail server
    with Path("sent.txt").open("a", encoding="utf-8") as sent:
        sent.write(f"{to}\n")
    return f"welcomed {to}"
