"""What tests do to all keys under a prefix."""

from __future__ import annotations

import redis

__all__ = ["forget", "pass_time"]


def forget(client: redis.Redis, prefix: str) -> None:
    """Delete every key under a prefix."""
    if keys := list(client.scan_iter(f"{prefix}:*", 1_000)):
        client.unlink(*keys)


def pass_time(client: redis.Redis, prefix: str, seconds: float) -> None:
    """Let every time to live under a prefix pass by `seconds`: what reaches 0 is gone."""
    keys = list(client.scan_iter(f"{prefix}:*", 1_000))
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.pttl(key)
        lives = pipe.execute()
        for key, life in zip(keys, lives, strict=True):
            left = life - round(seconds * 1_000)
            if life > 0 and left > 0:
                pipe.pexpire(key, left)
            elif life >= 0:
                pipe.delete(key)
        pipe.execute()
