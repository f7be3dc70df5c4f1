"""A master with two replicas, watched by three sentinels."""

from __future__ import annotations

import time
from pathlib import Path

from redis_servers.server import Server, until

__all__ = ["Sentinels"]

MASTER = "toril-test"
DOWN_AFTER = 1_000  # milliseconds of silence after which a sentinel takes the master for dead


class Sentinels:
    """Returns from its constructor when all six know of each other."""

    def __init__(self, folder: Path) -> None:
        first = Server(folder / "redis-0")
        follow = {"replicaof": f"127.0.0.1 {first.port}"}
        self.servers = [first, *(Server(folder / f"redis-{number}", follow) for number in (1, 2))]
        watch = {
            "sentinel monitor": f"{MASTER} 127.0.0.1 {first.port} 2",
            "sentinel down-after-milliseconds": f"{MASTER} {DOWN_AFTER}",
            "sentinel failover-timeout": f"{MASTER} 10000",
        }
        self.sentinels = [Server(folder / f"sentinel-{number}", watch, mode="--sentinel") for number in range(3)]
        until(self._complete, "replicas and sentinels know of each other")

    def _complete(self) -> bool:
        for sentinel in self.sentinels:
            with sentinel.client() as client:
                seen = client.sentinel_master(MASTER)
            if (seen["num-slaves"], seen["num-other-sentinels"]) != (2, 2):
                return False
        with self.servers[0].client() as client:
            replicas = [line for key, line in client.info("replication").items() if key.startswith("slave")]
        return [line["state"] for line in replicas] == ["online", "online"]

    @property
    def url(self) -> str:
        """The URL of the master, whoever that is: `redis+sentinel://host:port,…/name/database`."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{MASTER}/0"

    @property
    def master(self) -> Server:
        """The server that the sentinels hold to be the master."""
        with self.sentinels[0].client() as client:
            _, port = client.sentinel_get_master_addr_by_name(MASTER)
        return next(server for server in self.servers if server.port == port)

    def fail_over(self, *, behind: float = 0.0) -> Server:
        """Kill the master; return the new one when the sentinels have agreed on it and it takes writes.

        behind: for so many seconds before, what the master is told reaches no replica: that much is lost.
        """
        old = self.master
        replicas = [server for server in self.servers if server is not old]
        for replica in replicas:
            replica.pause()
        with old.client() as client:  # what lies in the sockets already would reach them when they go on
            client.execute_command("CLIENT", "KILL", "TYPE", "replica")
        time.sleep(behind)
        old.kill()
        for replica in replicas:
            replica.resume()

        def chosen() -> Server | None:
            new = self.master
            if new is old:
                return None
            with new.client() as client:
                return new if client.info("replication")["role"] == "master" else None

        return until(chosen, "failover", 40)

    def end(self) -> None:
        """Kill all six."""
        for server in (*self.sentinels, *self.servers):
            server.kill()
