"""Node and Python on one Redis, under a prefix of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
import redis
from keyspace import Keys
from sides import NodeSide, PythonSide, Side

from ledger import Ledger
from nodes import Node, Process, install
from processes import Processes
from redis_servers import pass_time
from toril import ManualClock, Toril
from toril.clock import Clock
from toril.settings import Settings


@pytest.fixture(scope="session")
def node_process(redis_url: str) -> Iterator[Process]:
    install()
    process = Process(redis_url)
    yield process
    process.end()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def node(node_process: Process, prefix: str, ledger: Ledger) -> Iterator[Node]:
    """An application on Node."""
    node = Node(node_process, prefix, ledger.path)
    yield node
    node.end()


@pytest.fixture
def processes(tmp_path: Path, redis_url: str, prefix: str, ledger: Ledger) -> Iterator[Processes]:
    """Worker processes of Node and of Python."""
    install()
    running = Processes(Path(__file__).parent, tmp_path, redis_url, ledger.path, TORIL_PREFIX=prefix)
    yield running
    running.end()


@pytest.fixture
async def python_side(
    redis_url: str, prefix: str, redis_client: redis.Redis, ledger: Ledger, clock: Clock | None
) -> AsyncIterator[PythonSide]:
    """An application and workers of Toril."""
    async with Toril(redis_url, settings=Settings(env={}, dotenv=None, prefix=prefix), clock=clock) as app:
        yield PythonSide(app, ledger, partial(pass_time, redis_client, prefix))


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> Clock | None:
    """The clock of Python's side: the machine's, as Node's is, or by parameter one that begins at that time."""
    return ManualClock(request.param) if hasattr(request, "param") else None


@pytest.fixture(params=["node", "python"])
def side(request: pytest.FixtureRequest) -> Side:
    """Both sides, one after the other: what the first does is what the second has to do."""
    side: Side = request.getfixturevalue(f"{request.param}_side")
    return side


@pytest.fixture
def node_side(node: Node) -> NodeSide:
    return NodeSide(node)


@pytest.fixture
def keys(redis_client: redis.Redis, prefix: str) -> Keys:
    return Keys(redis_client, prefix)
