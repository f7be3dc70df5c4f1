"""One Redis server process, with its own folder, port and configuration file."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis

from redis_servers.program import find_program

__all__ = ["Server", "free_port", "until"]

PATIENCE = 20.0  # seconds that a server may take to come up, to join or to fail over
Config = Mapping[str, str | int]


def free_port() -> int:
    """Return a port that nobody listens on, low enough for a cluster bus at port + 10,000."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < 55_000:
            return port


def until(condition: Any, what: str, patience: float = PATIENCE) -> Any:
    """Return what `condition` returns as soon as it is true and no connection fails; fail after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            if value := condition():
                return value
            error: Exception | None = None
        except redis.RedisError as failed:
            error = failed
        assert time.monotonic() < deadline, f"{what}: waited {patience:g} s in vain{f' ({error})' if error else ''}"
        time.sleep(0.01)


class Server:
    """A server that is started when it is made.

    folder: its own; what it writes to disk and its log are there. config: lines of `redis.conf` beyond the defaults,
    which are loopback only and no persistence. scheme and auth: how its URL begins, such as `rediss` and `user:pw@`.
    """

    def __init__(
        self, folder: Path, config: Config | None = None, *, scheme: str = "redis", auth: str = "", mode: str = ""
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self._scheme, self._auth, self._mode = scheme, auth, mode
        self._process: subprocess.Popen[bytes] | None = None
        ports = {"port": 0, "tls-port": self.port} if scheme == "rediss" else {"port": self.port}
        usual = {"bind": "127.0.0.1", "dir": str(folder), "logfile": str(folder / "log"), **ports}
        if not mode:
            usual |= {"save": '""', "appendonly": "no", "enable-debug-command": "local"}
        self._file = folder / "redis.conf"
        self._file.write_text("".join(f"{key} {value}\n" for key, value in {**usual, **(config or {})}.items()))
        self.start()

    @property
    def url(self) -> str:
        """Its URL, of database 0."""
        return f"{self._scheme}://{self._auth}127.0.0.1:{self.port}/0"

    @property
    def address(self) -> tuple[str, int]:
        """Its host and port."""
        return "127.0.0.1", self.port

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has logged until now."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def client(self, **options: Any) -> redis.Redis:
        """Return a new client that decodes texts; whoever asks for it closes it."""
        if self._scheme == "rediss":
            options = {"ssl_cert_reqs": "none", "ssl_check_hostname": False, **options}
        return redis.Redis.from_url(self.url, **{"decode_responses": True, "socket_timeout": 5, **options})

    def start(self) -> None:
        """Start it (again) on its port and with what it has on disk; return when it answers."""
        command = [find_program(), str(self._file), *([self._mode] if self._mode else [])]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with self.client(retry=None) as client:
            until(lambda: self._answers(client), "server up")

    def _answers(self, client: redis.Redis) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the server has ended:\n{self.log}"
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return True

    def stop(self) -> None:
        """Let it end as an operator would: what it is told to keep is on disk."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it with -9."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(PATIENCE)
        self._process = None

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Let it stand still (SIGSTOP): connections stay, nothing answers."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
