"""Node with BullMQ for the tests: its packages, an application that a test drives, worker and listener processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from redis_servers.program import missing

__all__ = ["SCRIPTS", "Node", "NodeError", "install"]

SCRIPTS = Path(__file__).parent / "node"
Call = dict[str, Any]


def install() -> None:
    """See that the packages of the lock file are there; end the test if they cannot be had."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("needs node and npm (Debian: apt-get install nodejs npm)")
    lock, mark = SCRIPTS / "package-lock.json", SCRIPTS / "node_modules" / ".lock-of-these"
    if mark.exists() and mark.read_bytes() == lock.read_bytes():
        return
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        missing(f"npm ci: {done.stderr.strip()}")
    mark.write_bytes(lock.read_bytes())


class NodeError(Exception):
    """What BullMQ threw."""


class Node:
    """An application on Node, in a process of its own, that makes one call after the other."""

    def __init__(self, env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["node", "client.mjs"],
            cwd=SCRIPTS,
            env={"PATH": os.environ["PATH"], **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, call: Call) -> Any:
        """Make a call (client.mjs lists them) and return its value; raise NodeError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "node has ended"
        answer = json.loads(line)
        if "error" in answer:
            raise NodeError(answer["error"])
        return answer["value"]

    def queue(self, queue: str, method: str, *args: Any) -> Any:
        """Call a method of a Queue."""
        return self.call({"queue": queue, "method": method, "args": args})

    def job(self, queue: str, job: str, method: str, *args: Any) -> Any:
        """Call a method of a Job."""
        return self.call({"queue": queue, "job": job, "method": method, "args": args})

    def add(self, queue: str, name: str, data: Any = None, **options: Any) -> str:
        """Add a job and return its id."""
        job_id: str = self.queue(queue, "add", name, {} if data is None else data, options)["id"]
        return job_id

    def result(self, queue: str, job: str) -> Any:
        """Wait until a job has ended and return what it returned; raise NodeError with the reason of a failure."""
        return self.call({"result": {"queue": queue, "job": job}})

    def flow(self, flow: Call) -> Any:
        """Add a flow."""
        return self.call({"flow": flow})

    def run(self, queue: str, **options: Any) -> int:
        """Run a worker until no job is ready; return how many jobs it ran."""
        ran: int = self.call({"run": {"queue": queue, **options}})
        return ran

    def take(self, queue: str, token: str, **options: Any) -> Any:
        """Take a job by hand, or None."""
        return self.call({"take": {"queue": queue, "token": token, **options}})

    def end(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
