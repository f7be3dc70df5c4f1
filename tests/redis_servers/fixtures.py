"""Fixtures: the session's Redis, a prefix of the test's own, and private servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from redis_servers.keys import forget, fresh_prefix
from redis_servers.program import NoServer, find_program, missing
from redis_servers.servers import Servers
from redis_servers.shared import shared_url

__all__ = ["prefix", "redis_client", "redis_servers", "redis_url"]


@pytest.fixture(scope="session")
def _program() -> str:
    try:
        return find_program()
    except NoServer as error:
        missing(str(error))


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The URL of the session's server, which tests share: each keeps to its own `prefix` and changes no setting."""
    return shared_url()


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of the session's server that decodes texts."""
    with redis.Redis.from_url(redis_url, decode_responses=True, socket_timeout=5) as client:
        yield client


@pytest.fixture
def prefix(redis_client: redis.Redis) -> Iterator[str]:
    """A key prefix that nobody else uses (TORIL_PREFIX); its keys are deleted at the end."""
    name = fresh_prefix()
    yield name
    forget(redis_client, name)


@pytest.fixture
def redis_servers(_program: str, tmp_path: Path) -> Iterator[Servers]:
    """Makes private servers; they are killed at the end."""
    servers = Servers(tmp_path)
    yield servers
    servers.end()
