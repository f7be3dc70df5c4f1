"""Keeps callers from waiting for a Redis that does not answer."""

from __future__ import annotations

import time

__all__ = ["Breaker"]

FAILURES = 3  # in a row, and the breaker opens
OPEN = 1.0  # seconds for which it stays open
PROBE = 1.5  # seconds that a probe may take, a little more than any call


class Breaker:
    """Opens when calls fail in a row; then one call at a time is let through to see, and the first answer closes it."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0  # nobody is let through before

    @property
    def is_open(self) -> bool:
        """Whether calls are refused."""
        return self._failures >= FAILURES and self._until > time.monotonic()

    def admits(self) -> bool:
        """Return whether a call may go out; the one that may after a while is the probe, the others wait for it."""
        if self._failures < FAILURES:
            return True
        now = time.monotonic()
        if self._until > now:
            return False
        self._until = now + PROBE
        return True

    def succeeded(self) -> None:
        """Hear that Redis has answered."""
        self._failures = 0

    def failed(self) -> None:
        """Hear that a call was not answered."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._until = time.monotonic() + OPEN
