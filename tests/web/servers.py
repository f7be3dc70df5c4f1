"""Commands at work, and clients for the servers among them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

APPS = Path(__file__).parent / "apps"
PATIENCE = 20.0  # seconds, on a machine with much else to do

Run = Callable[..., "Process"]


class Process:
    """A command at work in `folder`, and the server at `url` if it is one."""

    def __init__(self, command: list[str], folder: Path, url: str, settings: dict[str, str]) -> None:
        self.folder = folder
        self.url = url
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(APPS), **settings}
        with (folder / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    def ready(self) -> Process:
        """Wait until the server accepts connections."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        give_up = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < give_up, self.output()
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection((host, int(port)), 1):
                return self
            time.sleep(0.02)

    def wait(self) -> int:
        """Wait for its end; return the exit code."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pytest.fail(f"did not end:\n{self.output()}")

    def stop(self) -> int:
        """Send SIGTERM and wait for its end; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it and its children, whatever they do."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def output(self) -> str:
        return (self.folder / "output.txt").read_text(errors="replace")

    def sent(self) -> list[str]:
        """What the task `welcome` did, in order: the ledger that is not the store's."""
        ledger = self.folder / "sent.txt"
        return ledger.read_text().splitlines() if ledger.exists() else []


def post_all(url: str, places: Iterable[str], threads: int = 8) -> list[httpx.Response]:
    """Post to all places, over `threads` connections that stay open."""
    local = threading.local()

    def post(place: str) -> httpx.Response:
        if not hasattr(local, "client"):
            local.client = httpx.Client(base_url=url, timeout=PATIENCE)
            clients.append(local.client)
        return local.client.post(place)

    clients: list[httpx.Client] = []
    with ThreadPoolExecutor(threads) as pool:
        responses = list(pool.map(post, places))
    for client in clients:
        client.close()
    return responses


def result_of(url: str, job: str) -> str:
    """Ask for a job's result until it is there: the worker may take longer to start than one request waits."""
    for _ in range(10):
        answer = httpx.get(f"{url}/jobs/{job}", timeout=PATIENCE).json()
        if "result" in answer:
            return answer["result"]
    pytest.fail(f"job {job} has not ended: {answer}")


HOLDER = """
import fcntl, sqlite3, sys
turn = open("jobs.db-lock", "a")
if sys.argv[1:]:
    fcntl.flock(turn, fcntl.LOCK_EX)
file = sqlite3.connect("jobs.db", isolation_level=None)
file.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def held(folder: Path, *, turn: bool = True) -> Iterator[None]:
    """Hold the store as a process does that was stopped while it wrote; without `turn`, as a stranger on the file."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *["turn"] * turn],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        yield
    finally:
        holder.communicate()
