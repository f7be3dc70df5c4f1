"""Ids of mails, in the order in which they are made.

An index grows at its end then, and those that are sent one after the other stand on the same pages: each page that a
commit has touched is written as a whole.
"""

from __future__ import annotations

import secrets
import threading

__all__ = ["new_id"]

_BITS = 48  # of an id behind its time
_STEP = 24  # bits of the random distance between two ids of one millisecond


class _Ids:
    """Makes the ids of one process: its mark is the last one."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._last = 0

    def next(self, now: int) -> int:
        with self._turn:
            if self._last >> _BITS == now:
                self._last += 1 + secrets.randbits(_STEP)
            else:
                self._last = now << _BITS | secrets.randbits(_BITS - 1)
            return self._last


_ids = _Ids()


def new_id(now: int) -> str:
    """Return an id of a mail made at `now` (epoch milliseconds): it follows all that this process made for that time.

    It can never be a queue's counter, because it begins with a letter.
    """
    return f"m{_ids.next(now):023x}"
