"""Tasks that run in a process of their own, which imports them from here."""

from __future__ import annotations

import os
import time
from pathlib import Path

from toril import Toril
from toril.settings import Settings

app = Toril("sqlite:///:memory:", settings=Settings(env={}, dotenv=None))  # tests register them with their own


@app.task(process=True)
def add(a: int, b: int) -> dict[str, int]:
    return {"sum": a + b, "pid": os.getpid()}


@app.task(process=True)
def hang(path: str) -> None:
    Path(path).write_text(str(os.getpid()), encoding="ascii")
    time.sleep(60)


@app.task(process=True)
def die() -> None:
    os._exit(7)
