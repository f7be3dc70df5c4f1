"""What most tests need: an application on a fresh file, and one on a clock that the test moves."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from stores import KINDS, WHEN_ASKED
from toril import ManualClock, Toril
from toril.clock import Clock
from toril.settings import Settings

MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2**32:
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)  # no test is about how long a disk takes to sync

gc.set_threshold(10_000, 20, 20)  # as Toril's own processes: to look all over the tests took a tenth of their time

hypothesis.settings.register_profile("toril", deadline=None)  # a test proves what is true on a slow machine, too
hypothesis.settings.load_profile("toril")

pytest_plugins = ["redis_servers.fixtures", "traces"]

MakeApp = Callable[..., Toril]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store", action="append", choices=[*KINDS, *WHEN_ASKED], help="only this kind of store (may be repeated)"
    )


@pytest.fixture(autouse=True)
def loud() -> Iterator[None]:
    """Let a command that runs in the tests' own process set no level of logging for those after it."""
    ours = logging.getLogger("toril")
    level = ours.level
    yield
    if ours.level != level:
        ours.setLevel(level)


@pytest.fixture
def settings() -> Settings:
    """Settings that nothing of the machine's environment reaches."""
    return Settings(env={}, dotenv=None)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a fresh SQLite file."""
    return f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def make_app(url: str, settings: Settings) -> AsyncIterator[MakeApp]:
    """Make applications on the fresh file; they are closed at the end."""
    apps: list[Toril] = []

    def make(clock: Clock | None = None, **changes: object) -> Toril:
        own = Settings(env={}, dotenv=None, **changes) if changes else settings
        apps.append(Toril(url, settings=own, clock=clock))
        return apps[-1]

    yield make
    for app in apps:
        await app.close()


@pytest.fixture
def app(make_app: MakeApp) -> Toril:
    return make_app()
