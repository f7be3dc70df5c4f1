"""An application on a fresh store, and processes that work on the same one.

Tests run on a SQLite file, and among the slow ones on Redis; those marked `file` are about the file itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from ledger import Ledger
from processes import Processes
from redis_servers import forget, fresh_prefix, shared_url
from toril import Queue, Toril
from toril.settings import Settings


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "url" in metafunc.fixturenames:
        about_the_file = metafunc.definition.get_closest_marker("file")
        kinds = ["sqlite"] if about_the_file else ["sqlite", pytest.param("redis", marks=pytest.mark.slow)]
        metafunc.parametrize("url", kinds, indirect=True)


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of the store."""
    return shared_url() if request.param == "redis" else f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture
def settings(url: str) -> Iterator[Settings]:
    """Settings that nothing of the machine's environment reaches, on Redis with a prefix of the test's own."""
    settings = Settings(env={}, dotenv=None, prefix=fresh_prefix())
    yield settings
    if url.startswith("redis"):
        with redis.Redis.from_url(url) as client:
            forget(client, settings.prefix)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def processes(tmp_path: Path, url: str, settings: Settings, ledger: Ledger) -> Iterator[Processes]:
    running = Processes(Path(__file__).parent, tmp_path, url, ledger.path, TORIL_PREFIX=settings.prefix)
    yield running
    running.end()


@pytest.fixture
def queue(app: Toril) -> Queue:
    """The queue that the worker processes serve, as an application sees it that only adds."""
    return app.queue("work")
