"""Servers started with the commands of docs/web.md, in a folder of their own, killed at the end of each test."""

from __future__ import annotations

import shlex
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Process, Run

from toril import Toril
from toril.settings import Settings

DOCS = Path(__file__).parents[2] / "docs" / "web.md"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Start a command that docs/web.md shows; with `serves`, wait until it does, on a free port.

    settings: variables of its environment.
    """
    processes: list[Process] = []

    def start(command: str, *more: str, serves: bool = False, **settings: str) -> Process:
        assert command in DOCS.read_text(), f"docs/web.md does not show {command!r}"
        program, *arguments = shlex.split(command)
        url = ""
        if serves:
            port = _free_port()
            url = f"http://127.0.0.1:{port}"
            more += ("--bind", f"127.0.0.1:{port}") if program == "gunicorn" else ("--port", str(port))
        line = [str(Path(sys.executable).parent / program), *arguments, *more]
        processes.append(Process(line, tmp_path, url, settings))
        return processes[-1].ready() if serves else processes[-1]

    yield start
    for process in processes:
        process.kill()


@pytest.fixture
def jobs(tmp_path: Path) -> Toril:
    """The store of the servers, seen from outside."""
    return Toril(f"sqlite:///{tmp_path / 'jobs.db'}", settings=Settings(env={}, dotenv=None))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
