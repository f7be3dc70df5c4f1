"""Tasks that run in a process of their own, which imports them from here."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

from toril import RateLimited, Snooze, Toril
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
def who() -> int:
    return os.getpid()


@app.task(process=True)
def eat(megabytes: int) -> int:
    bytearray(b"x" * megabytes * 1_000_000)
    return os.getpid()


held: list[bytearray] = []


@app.task(process=True)
def leak(megabytes: int) -> int:
    held.append(bytearray(b"x" * megabytes * 1_000_000))
    return os.getpid()


@app.task(process=True)
def crash() -> None:
    ctypes.string_at(0)


class Odd(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__("it can be pickled, and not read back")


@app.task(process=True)
def odd() -> None:
    raise Odd(1, 2)


@app.task(process=True)
def interrupt() -> None:
    raise KeyboardInterrupt


@app.task(process=True)
def snooze() -> None:
    raise Snooze(30)


@app.task(process=True)
def slow_down() -> None:
    raise RateLimited(30)


@app.task(process=True)
def nan() -> float:
    return float("nan")


@app.task(process=True)
def die() -> None:
    os._exit(7)
