"""For tests: a store that ends the process when so many of its calls have been carried out, before their reply."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import count
from typing import Any

from toril.store.base import Store

__all__ = ["CrashingStore"]

_UNCOUNTED = {"open", "close", "forget", "wait", "cursor", "events"}  # they change nothing, or only wait


class CrashingStore:
    """Any store; its `at`-th call takes effect and is the last thing that this process does."""

    def __init__(self, store: Store, at: int) -> None:
        self._store = store
        self._at = at
        self._calls = count(1)

    def __getattr__(self, name: str) -> Any:
        verb: Callable[..., Any] = getattr(self._store, name)
        if name.startswith("_") or name in _UNCOUNTED or not callable(verb):
            return verb

        async def call(*arguments: Any, **options: Any) -> Any:
            answer = await verb(*arguments, **options)
            if next(self._calls) == self._at:
                _die()
            return answer

        return call


def _die() -> None:
    """End as a power cut would: no handler, no `finally`, no flush."""
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(137)
