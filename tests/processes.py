"""Real processes for the tests: workers to be stopped and killed, and waiting for what they do."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from stores import KINDS, WHEN_ASKED

T = TypeVar("T")
TESTS = Path(__file__).parent
LAST = 200  # lines that are shown
TORIL = Path(sys.executable).with_name("toril")


async def until(condition: Callable[[], T], timeout: float = 60.0) -> T:
    """Return what `condition` returns as soon as that is true; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {timeout:g} s"
        await asyncio.sleep(0.02)
    return value


def shared_kinds(config: pytest.Config) -> list[Any]:
    """Return the kinds of stores that several processes can use, all or those that `--store` names.

    Tests with real processes take their time: beyond the first kind they are among the slow ones.
    """
    chosen = config.getoption("store") or KINDS
    kinds = {name: kind for name, kind in {**KINDS, **WHEN_ASKED}.items() if kind.processes}
    first = next(iter(kinds))
    return [
        pytest.param(kind, id=name, marks=[] if name == first else pytest.mark.slow)
        for name, kind in kinds.items()
        if name in chosen
    ]


class Process:
    """A command with its output in a file."""

    def __init__(self, command: list[str | Path], home: Path, output: Path, env: dict[str, str]) -> None:
        self._output = output
        with output.open("wb") as file:
            self._popen = subprocess.Popen(command, cwd=home, env=env, stdout=file, stderr=subprocess.STDOUT)
        self.pid = self._popen.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._popen.send_signal(number)

    def kill(self) -> float:
        """Kill it with -9 and return the moment (CLOCK_MONOTONIC) after which it did nothing more."""
        self._popen.kill()
        self._popen.wait()
        return time.monotonic()

    async def ended(self, timeout: float = 60.0) -> int:
        """Wait until it has ended by itself and return its exit code."""
        await until(lambda: self._popen.poll() is not None, timeout)
        return self._popen.returncode

    @property
    def output(self) -> str:
        """What it has printed until now."""
        return self._output.read_text(encoding="utf-8")


class Processes:
    """Starts processes on one store and one ledger; kills at the end what still lives.

    home: the folder of the scripts that they run. folder: where their output goes. env: settings beside the URL.
    """

    def __init__(self, home: Path, folder: Path, url: str, ledger: Path, **env: str) -> None:
        self._home, self._folder = home, folder
        known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        paths = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
        self.env = {**known, "TORIL_URL": url, "LEDGER": str(ledger), "PYTHONUNBUFFERED": "1", "PYTHONPATH": paths}
        self.env |= env
        self._started: list[Process] = []

    def worker(self, slots: int = 1, *options: str, **env: str) -> Process:
        """Start `toril worker` on the queue `work`; `env` are settings such as TORIL_LEASE."""
        return self.start(TORIL, "worker", "jobs:app", "--queues", f"work={slots}", *options, **env)

    def script(self, name: str, *arguments: str, **env: str) -> Process:
        """Start a Python file of the folder of scripts."""
        return self.start(sys.executable, name, *arguments, **env)

    def start(self, *command: str | Path, **env: str) -> Process:
        """Start a command."""
        output = self._folder / f"process-{len(self._started)}.txt"
        self._started.append(Process(list(command), self._home, output, {**self.env, **env}))
        return self._started[-1]

    def end(self) -> None:
        """Kill what still lives, and show what all of them said last to whoever reads of a failure."""
        for process in self._started:
            process.kill()
            sys.stdout.write("\n".join(["", *process.output.splitlines()[-LAST:]]))

    @property
    def output(self) -> str:
        """What all of them have printed."""
        return "\n".join(process.output for process in self._started)
