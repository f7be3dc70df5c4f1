"""The Store seam on Redis."""

from __future__ import annotations

from toril.store.redis.controls import Controls
from toril.store.redis.runs import Runs

__all__ = ["RedisStore"]


class RedisStore(Runs, Controls):
    """Jobs in Redis."""
