"""The files of deploy/, and what the tests of several of them ask."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from redis_servers.program import missing
from toril.settings import Settings

__all__ = ["DEPLOY", "DOCKER", "GRACE", "ROOT", "free_port", "program"]

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKER = DEPLOY / "docker"
GRACE = Settings(env={}, dotenv=None).grace


def program(name: str, package: str) -> str:
    """Return the path of a program of Debian's; end the test if it is not here."""
    return shutil.which(name) or missing(f"needs {name} (Debian: apt-get install {package})")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
