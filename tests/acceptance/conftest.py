"""An application on a fresh store, and processes that work on the same one.

Each test runs once for each kind of store that processes can share, or for those that `--store` names; a test that
asks for the `file` runs on SQLite alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from ledger import Ledger
from processes import Processes, shared_kinds
from stores import EmptyStore, SqliteFile
from toril import Queue, Toril


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store_kind" in metafunc.fixturenames:
        kinds = shared_kinds(metafunc.config)
        if "file" in metafunc.fixturenames:
            kinds = [kind for kind in kinds if kind.values == (SqliteFile,)]
        metafunc.parametrize("store_kind", kinds)


@pytest.fixture
async def store(store_kind: type[EmptyStore]) -> AsyncIterator[EmptyStore]:
    """A store of the kind that this run of the test is for."""
    async with store_kind() as store:
        yield store


@pytest.fixture
def file(store: EmptyStore) -> Path:
    """The file that a SQLite store is."""
    return Path(store.url.removeprefix("sqlite:///"))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def processes(tmp_path: Path, store: EmptyStore, ledger: Ledger) -> Iterator[Processes]:
    settings = {f"TORIL_{name.upper()}": value for name, value in store.settings().items()}
    running = Processes(Path(__file__).parent, tmp_path, store.url, ledger.path, **settings)
    yield running
    running.end()


@pytest.fixture
def make_app(store: EmptyStore) -> Callable[[], Toril]:
    """Make applications that share the store, on real time."""
    return store.app


@pytest.fixture
def queue(make_app: Callable[[], Toril]) -> Queue:
    """The queue that the worker processes serve, as an application sees it that only adds."""
    return make_app().queue("work")
