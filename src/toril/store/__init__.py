"""Where jobs live: the seam (`base`) and the stores that keep its promises."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from toril.errors import InvalidStoreURL

if TYPE_CHECKING:
    from toril.clock import Clock
    from toril.settings import Settings
    from toril.store.base import Store

__all__ = ["make_store"]

_SCHEMES = ("sqlite",)


def make_store(url: str, settings: Settings, clock: Clock) -> Store:
    """Return the store that a URL names, without opening it; raise InvalidStoreURL."""
    scheme = url.partition("://")[0]
    if scheme == "sqlite" and "://" in url:
        from toril.store.sqlite.store import SqliteStore

        return SqliteStore(url, clock, settings.sqlite_synchronous)
    near = difflib.get_close_matches(scheme.lower(), _SCHEMES, 1)
    hint = f"; did you mean {near[0]}://?" if near else ""
    from toril.settings import mask_url

    raise InvalidStoreURL(f"{mask_url(url)}: expected a URL that begins with sqlite://{hint}")
