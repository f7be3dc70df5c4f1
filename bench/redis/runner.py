"""One measurement of one peer: a private server, processes for its roles, figures."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import redis

from bench.redis.peers import Peer

__all__ = ["Bench", "Void"]

SERVER_CORE, CLIENT_CORE = "0", "1"


class Void(Exception):
    """A run in which a job did not run exactly once, or that did not end in time: it gives no figure."""


class Bench:
    """A Redis without persistence, and what is measured there. Server and clients have a core each, if possible."""

    def __init__(self, folder: Path, port: int, *, concurrency: int, jobs: int) -> None:
        self._folder, self.concurrency, self.jobs = folder, concurrency, jobs
        self.url = f"redis://127.0.0.1:{port}"
        self._pins = shutil.which("taskset") is not None and (os.cpu_count() or 1) > 1
        program = shutil.which("redis-server") or "valkey-server"
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
        self._server = subprocess.Popen([*self._pin(SERVER_CORE), program, *options], stdout=subprocess.DEVNULL)
        self.client = redis.Redis(port=port)
        self._wait(self._up, 10, "redis up")

    def _pin(self, core: str) -> list[str]:
        return ["taskset", "-c", core] if self._pins else []

    def _up(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    def _wait(self, condition: Any, seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise Void(f"{what}: not within {seconds:g} s")
            time.sleep(0.002)

    def close(self) -> None:
        """End the server."""
        self.client.close()
        self._server.terminate()
        self._server.wait()

    def _start(self, peer: Peer, role: str, count: int) -> subprocess.Popen[str]:
        command = [*self._pin(CLIENT_CORE), *peer.command, role, self.url, str(count), str(self.concurrency)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def _produce(self, peer: Peer, role: str, count: int) -> dict[str, Any]:
        process = self._start(peer, role, count)
        out, _ = process.communicate(timeout=300)
        if process.returncode:
            raise Void(f"{peer.name} {role}: exit code {process.returncode}")
        made: dict[str, Any] = json.loads(out.splitlines()[-1])
        return made

    def _busy(self) -> float:
        """Return the CPU seconds that the server has used."""
        used = self.client.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    def _ended(self, worker: subprocess.Popen[str]) -> dict[str, Any]:
        worker.send_signal(signal.SIGTERM)
        out, _ = worker.communicate(timeout=30)
        told: dict[str, Any] = json.loads(out.splitlines()[-1])
        return told

    def bulk_and_drain(self, peer: Peer) -> dict[str, float]:
        """Add the jobs in chunks of 1,000, then start one worker: from the first start to the last acknowledgement."""
        self.client.flushall()
        busy = self._busy()
        made = self._produce(peer, "bulk", self.jobs)
        adding = self._busy() - busy
        worker = self._start(peer, "work", 0)
        try:
            self._wait(lambda: self.client.llen("bull:bench:active"), 30, "first job taken")
            busy = self._busy()
            self._wait(self._drained, 120, "all jobs done")
            end, busy = time.monotonic(), self._busy() - busy
            told = self._ended(worker)
        finally:
            worker.kill()
            worker.wait()
        numbers = [number for number, _ in told["starts"]]
        if sorted(numbers) != list(range(self.jobs)):
            raise Void(
                f"{peer.name}: {len(numbers)} starts of {len(set(numbers))} jobs, expected {self.jobs}, each once"
            )
        first = min(at for _, at in told["starts"])
        return {
            "bulk adds/s": made["count"] / made["seconds"],
            "bulk client µs": 1e6 * made["cpu"] / made["count"],
            "bulk redis µs": 1e6 * adding / self.jobs,
            "drained/s": self.jobs / (end - first),
            "drain client µs": 1e6 * told["cpu"] / self.jobs,
            "drain redis µs": 1e6 * busy / self.jobs,
        }

    def _drained(self) -> bool:
        with self.client.pipeline(transaction=True) as pipe:
            pipe.llen("bull:bench:wait").llen("bull:bench:active")
            return pipe.execute() == [0, 0]

    def single_adds(self, peer: Peer, count: int = 2_000) -> dict[str, float]:
        """Await one add after the other."""
        self.client.flushall()
        busy = self._busy()
        made = self._produce(peer, "single", count)
        used = self._busy() - busy
        return {
            "single adds/s": made["count"] / made["seconds"],
            "single client µs": 1e6 * made["cpu"] / made["count"],
            "single redis µs": 1e6 * used / made["count"],
        }

    def latency(self, peer: Peer, count: int = 200) -> dict[str, float]:
        """Add now and then to an idle worker of another process: from before the add to the handler's first line."""
        self.client.flushall()
        worker = self._start(peer, "work", 0)
        try:
            assert worker.stdout is not None
            worker.stdout.readline()  # it is ready
            sent = dict(self._produce(peer, "paced", count)["sent"])
            time.sleep(0.3)
            told = self._ended(worker)
        finally:
            worker.kill()
            worker.wait()
        waits = sorted(1e3 * (at - sent[number]) for number, at in told["starts"] if number in sent)
        if len(waits) != count:
            raise Void(f"{peer.name}: {len(waits)} starts, expected {count}")
        return {"latency p50 ms": waits[count // 2], "latency p99 ms": waits[count * 99 // 100]}
