"""The processes that are measured: a Redis with its file in a folder, and `toril serve`; and the CPU they use."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import redis

__all__ = ["cpu_of", "free_port", "redis_server", "serve"]

PATIENCE = 120.0  # seconds for a Redis that reads a gigabyte


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def redis_server(folder: Path, *, keep: bool) -> Iterator[str]:
    """Run a Redis on what `folder` has while the block lasts; keep: and write what it holds there at the end."""
    program, port = shutil.which("redis-server") or "valkey-server", free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with (
        subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as process,
        redis.Redis(port=port, socket_timeout=PATIENCE) as client,  # it writes a gigabyte
    ):
        try:
            _until(client.ping)
            yield f"redis://127.0.0.1:{port}"
            if keep:
                client.save()
        finally:
            process.terminate()


@contextlib.contextmanager
def serve(store: str, folder: Path, mailbox: int) -> Iterator[tuple[str, int]]:
    """Run `toril serve` while the block lasts; yield its URL and its process id."""
    port = free_port()
    command = ["-m", "toril", "serve", "bench.million.site:app", "--port", str(port), "--mailbox", str(mailbox)]
    env = {**os.environ, "BENCH_STORE": store, "BENCH_FOLDER": str(folder)}
    with subprocess.Popen([sys.executable, *command], env=env, stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            _until(lambda: httpx.get(f"{url}/health/live").is_success)
            yield url, process.pid
        finally:
            process.terminate()


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU that the threads of a process have used (those that live; Linux)."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def _until(is_up: object) -> None:
    assert callable(is_up)
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(httpx.TransportError, redis.ConnectionError, redis.BusyLoadingError):
            if is_up():
                return
        if time.monotonic() > deadline:
            raise TimeoutError("a server did not come up")
        time.sleep(0.05)
