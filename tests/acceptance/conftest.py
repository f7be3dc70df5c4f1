"""An application on a fresh file, and processes that work on the same one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import Ledger
from processes import Processes
from toril import Queue, Toril


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def processes(tmp_path: Path, url: str, ledger: Ledger) -> Iterator[Processes]:
    running = Processes(Path(__file__).parent, tmp_path, url, ledger.path)
    yield running
    running.end()


@pytest.fixture
def queue(app: Toril) -> Queue:
    """The queue that the worker processes serve, as an application sees it that only adds."""
    return app.queue("work")
