"""Node with BullMQ for the tests: its packages, and an application that a test drives."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import npm

__all__ = ["SCRIPTS", "Node", "NodeError", "Process", "install"]

SCRIPTS = Path(__file__).parent / "interop" / "node"


def install() -> None:
    """See that the packages of the lock file are there; end the test if they cannot be had."""
    npm.install(SCRIPTS)


class NodeError(Exception):
    """What BullMQ threw."""


class Process:
    """A Node process that makes one call after the other. env: what it finds in its environment besides."""

    def __init__(self, url: str, **env: str) -> None:
        self._process = subprocess.Popen(
            ["node", "client.mjs"],
            cwd=SCRIPTS,
            env={"PATH": os.environ["PATH"], "TORIL_URL": url, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._calls, self._answers = self._process.stdin, self._process.stdout

    def call(self, call: dict[str, Any]) -> Any:
        """Make a call (client.mjs lists them) and return its value; raise NodeError."""
        self._calls.write(json.dumps(call) + "\n")
        self._calls.flush()
        line = self._answers.readline()
        assert line, "node has ended"
        answer = json.loads(line)
        if "error" in answer:
            raise NodeError(answer["error"])
        return answer["value"]

    def end(self) -> None:
        """End it."""
        self._calls.close()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            self._answers.close()


class Node:
    """An application on Node under one prefix, whose workers write into one ledger."""

    def __init__(self, process: Process, prefix: str, ledger: Path) -> None:
        self._process = process
        self._place = {"prefix": prefix, "ledger": str(ledger)}

    def call(self, method: str, *args: Any, **target: str) -> Any:
        """Call a method of the application (world.mjs), or of the `queue`, or of the `job` in it."""
        return self._process.call({**self._place, **target, "call": [method, *args]})

    def queue(self, queue: str, method: str, *args: Any) -> Any:
        """Call a method of a Queue."""
        return self.call(method, *args, queue=queue)

    def job(self, queue: str, job: str, method: str, *args: Any) -> Any:
        """Call a method of a Job."""
        return self.call(method, *args, queue=queue, job=job)

    def end(self) -> None:
        """Close all that it has opened."""
        self._process.call({**self._place, "forget": True})
