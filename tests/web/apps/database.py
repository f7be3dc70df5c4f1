"""Stands for what a host opens and closes itself; it writes down when that was."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def database() -> AsyncIterator[None]:
    _note("database opened")
    yield
    _note("database closed")


def _note(line: str) -> None:
    with Path("sent.txt").open("a", encoding="utf-8") as sent:
        sent.write(f"{line}\n")
