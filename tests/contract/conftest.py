"""The rules that every store keeps, seen from the outside: an application on a clock that the test moves.

Each test that uses a store runs once for each kind in `stores.KINDS`, or for those that `--store` names; one that is
marked `one_store` shows what a worker does by itself, the same on every store, and runs on the first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from stores import KINDS, START, WHEN_ASKED, EmptyStore
from toril import ManualClock, Toril, Worker
from toril.store.sqlite.store import SqliteStore

Work = Callable[..., Awaitable[None]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store_kind" in metafunc.fixturenames:
        named = metafunc.config.getoption("store")
        chosen = list(named or KINDS)
        if metafunc.definition.get_closest_marker("one_store"):
            del chosen[1:]
        # In memory it is the code of the file, on one connection: after the fast tests.
        late = set() if named else {"sqlite-memory"}
        kinds = KINDS | WHEN_ASKED
        marks = {name: [pytest.mark.slow] if name in late else [] for name in chosen}
        metafunc.parametrize("store_kind", [pytest.param(kinds[name], id=name, marks=marks[name]) for name in chosen])


@pytest.fixture
async def store(store_kind: type[EmptyStore]) -> AsyncIterator[EmptyStore]:
    """A store of the kind that this run of the test is for."""
    async with store_kind() as store:
        yield store


@pytest.fixture
def now() -> int:
    """When the clock begins, in epoch milliseconds."""
    return START


@pytest.fixture
def clock(store: EmptyStore, now: int) -> ManualClock:
    """The clock that a test moves, and with it whatever the store times by itself."""
    return store.clock(now)


@pytest.fixture
def make_app(store: EmptyStore) -> Callable[..., Toril]:
    """Make applications that share the store: `make_app(clock, **settings)`; without a clock time is real.

    They wait longer than an application would: a busy machine may let a thread stand still for a second.
    """

    def make(*arguments: object, **settings: object) -> Toril:
        app = store.app(*arguments, **settings)
        if isinstance(app.store, SqliteStore):
            app.store.limit = 30.0
        return app

    return make


@pytest.fixture
def app(make_app: Callable[..., Toril], clock: ManualClock) -> Toril:
    return make_app(clock)


@pytest.fixture
def work(app: Toril) -> Work:
    """Run a worker until no job is ready: `await work()`, `await work(another_app, slots=5)`."""

    async def burst(application: Toril = app, *, slots: int = 1) -> None:
        await Worker(application, dict.fromkeys(application.served_queues(), slots), burst=True).run()

    return burst
