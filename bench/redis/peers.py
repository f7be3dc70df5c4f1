"""Who is measured: how each is installed, and how its process for a role is started."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PEERS", "Peer", "install"]

HERE = Path(__file__).parent
NODE_PACKAGES = ("bullmq@6.7.0", "ioredis@6.0.0")
PORT_PACKAGES = ("bullmq==3.4.4", "redis[hiredis]", "uvloop")


@dataclass(frozen=True, slots=True)
class Peer:
    """A program with the roles `work`, `bulk`, `single` and `paced`."""

    name: str
    command: tuple[str, ...]


PEERS = ("toril", "node", "port")


def install(cache: Path) -> dict[str, Peer]:
    """Install the peers under `cache` where they are not there yet; return them by name."""
    node, port = cache / "node", cache / "port"
    if not (node / "node_modules" / "bullmq").exists():
        node.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--prefix", node, *NODE_PACKAGES], check=True)
    if not (port / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", port], check=True)
        subprocess.run([port / "bin" / "pip", "install", "--quiet", *PORT_PACKAGES], check=True)
    return {
        "toril": Peer("toril", (sys.executable, "-m", "bench.redis.toril_peer")),
        "node": Peer("node", ("node", str(HERE / "node_peer.mjs"), str(node))),
        "port": Peer("port", (str(port / "bin" / "python"), str(HERE / "port_peer.py"))),
    }
