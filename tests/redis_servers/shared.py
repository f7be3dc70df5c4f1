"""The servers that the tests of a session share."""

from __future__ import annotations

import atexit
import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from redis_servers.cluster import Cluster
from redis_servers.program import NoServer, missing
from redis_servers.server import Server

__all__ = ["shared_cluster", "shared_url"]


@cache
def shared_url() -> str:
    """Return the URL of the shared server, started at the first call; end the test if there is none.

    Each test keeps to a prefix of its own there and changes no setting.
    """
    if given := os.environ.get("REDIS_URL"):
        return given
    folder = TemporaryDirectory(prefix="toril-redis-")
    try:
        server = Server(Path(folder.name))
    except NoServer as error:
        missing(str(error))
    atexit.register(folder.cleanup)
    atexit.register(server.kill)
    return server.url


@cache
def shared_cluster() -> Cluster:
    """Return a cluster that tests of the session share, started at the first call."""
    folder = TemporaryDirectory(prefix="toril-redis-")
    try:
        cluster = Cluster(Path(folder.name))
    except NoServer as error:
        missing(str(error))
    atexit.register(folder.cleanup)
    atexit.register(cluster.end)
    return cluster
