"""Where jobs live: the seam (`base`) and the stores that keep its promises."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, cast

from toril.errors import InvalidStoreURL, MissingExtra

if TYPE_CHECKING:
    from toril.clock import Clock
    from toril.settings import Settings
    from toril.store.base import Store

__all__ = ["make_store"]

_SCHEMES = ("sqlite", "redis", "rediss", "redis+unix", "redis+sentinel", "redis+cluster")


def make_store(url: str, settings: Settings, clock: Clock) -> Store:
    """Return the store that a URL names, without opening it; raise InvalidStoreURL."""
    store = _named(url, settings, clock)
    if settings.crash_at is None:
        return store
    from toril.store.crashing import CrashingStore

    return cast("Store", CrashingStore(store, settings.crash_at))


def _named(url: str, settings: Settings, clock: Clock) -> Store:
    scheme = url.partition("://")[0]
    if scheme == "sqlite" and "://" in url:
        from toril.store.sqlite.store import SqliteStore

        return SqliteStore(url, clock, settings.sqlite_synchronous)
    if scheme in {f"{plain}{kind}" for plain in ("redis", "rediss") for kind in ("", "+unix", "+sentinel", "+cluster")}:
        return _redis(url, settings, clock)
    near = difflib.get_close_matches(scheme.lower(), _SCHEMES, 1)
    hint = f"; did you mean {near[0]}://?" if near else ""
    from toril.settings import mask_url

    raise InvalidStoreURL(f"{mask_url(url)}: expected a URL that begins with sqlite:// or redis://{hint}")


def _redis(url: str, settings: Settings, clock: Clock) -> Store:
    from toril.settings import mask_url

    try:
        from toril.store.redis.store import RedisStore
    except ImportError as error:
        if error.name != "redis":
            raise
        raise MissingExtra("a store on Redis", "redis") from None
    return RedisStore(url, mask_url(url), settings.prefix, clock, settings.redis_wait_replicas)
