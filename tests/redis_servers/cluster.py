"""A Redis Cluster of three masters."""

from __future__ import annotations

from pathlib import Path

from redis_servers.server import Server, until

__all__ = ["Cluster"]

SLOTS = 16_384
CONFIG = {"cluster-enabled": "yes", "cluster-config-file": "nodes.conf", "cluster-node-timeout": 5_000}


class Cluster:
    """Returns from its constructor when all slots are served and every node knows that."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.nodes = [Server(folder / f"node-{number}", CONFIG) for number in range(3)]
        self._replicas: list[Server] = []
        borders = [0, 5_461, 10_923, SLOTS]
        for number, node in enumerate(self.nodes):
            with node.client() as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", borders[number], borders[number + 1] - 1)
                if number:
                    client.execute_command("CLUSTER MEET", *self.nodes[0].address)
        until(self._complete, "cluster complete")

    def _complete(self) -> bool:
        for node in self.nodes:
            with node.client() as client:
                info = client.execute_command("CLUSTER INFO")
            if info["cluster_state"] != "ok" or info["cluster_slots_assigned"] != str(SLOTS):
                return False
            if info["cluster_known_nodes"] != "3":
                return False
        return True

    @property
    def url(self) -> str:
        """Its URL, with all three nodes: `redis+cluster://host:port,…`."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def slot(self, key: str) -> int:
        """Return the slot of a key."""
        with self.nodes[0].client() as client:
            return int(client.execute_command("CLUSTER KEYSLOT", key))

    def owner(self, slot: int) -> Server:
        """Return the node that serves a slot, as that node itself sees it."""
        for node in self.nodes:
            with node.client() as client:
                for first, last, (_, port, *_), *_ in client.execute_command("CLUSTER SLOTS", target=None):
                    if first <= slot <= last and port == node.port:
                        return node
        raise AssertionError(f"nobody serves slot {slot}")

    def with_replica(self, master: Server) -> Server:
        """Start a replica of a node and return it when it has what that has."""
        replica = Server(self._folder / f"replica-{len(self._replicas)}", CONFIG)
        self._replicas.append(replica)
        with master.client() as giver, replica.client() as taker:
            taker.execute_command("CLUSTER MEET", *master.address)
            master_id = giver.execute_command("CLUSTER MYID")
            until(lambda: taker.execute_command("CLUSTER REPLICATE", master_id), "replica known")
            until(lambda: taker.info("replication")["master_link_status"] == "up", "replica in step")
        return replica

    def move_slot(self, slot: int, target: Server, *, batch: int = 20) -> int:
        """Move a slot with its keys to another node while clients go on; return how many keys were moved."""
        source, moved = self.owner(slot), 0
        with source.client() as giver, target.client() as taker:
            source_id, target_id = (client.execute_command("CLUSTER MYID") for client in (giver, taker))
            taker.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", source_id)
            giver.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", target_id)
            while keys := giver.execute_command("CLUSTER GETKEYSINSLOT", slot, batch):
                giver.execute_command("MIGRATE", *target.address, "", 0, 5_000, "KEYS", *keys)
                moved += len(keys)
            for node in (target, source, *self.nodes):  # first those two, or keys could be asked for and missed
                with node.client() as client:
                    client.execute_command("CLUSTER SETSLOT", slot, "NODE", target_id)
        return moved

    def end(self) -> None:
        """Kill them all."""
        for node in (*self.nodes, *self._replicas):
            node.kill()
