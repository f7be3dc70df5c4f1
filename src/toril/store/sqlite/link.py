"""A connection to the file that no fork finds open.

SQLite notes in a process's memory which locks that process has. A fork copies the memory, but the kernel gives the
child none of the locks: it would trust locks that it does not have, and a parent that closes the file would take away
the log that the child's jobs are in. So connections are closed while a process forks, and the parent's are made anew.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable

from toril.errors import StoreUnavailable

__all__ = ["Link"]

PATIENCE = 1.0  # seconds that a fork waits for those who are inside SQLite

_forking = threading.Lock()  # held while links are made, too
_links: set[weakref.ref[Link]] = set()
_resting: list[Link] = []
_inherited: list[Link] = []  # in a child: links that somebody was inside; never closed, for SQLite forbids it


class Link:
    """A connection, lent to one at a time: `with link as connection`."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        if _inherited:
            raise StoreUnavailable("this process was forked while its parent was writing: SQLite cannot work in it")
        self._connect = connect
        self._inside = threading.Lock()
        with _forking:
            self._connection = connect()
            _links.add(weakref.ref(self, _links.discard))

    def __enter__(self) -> sqlite3.Connection:
        self._inside.acquire()
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._inside.release()

    def close(self) -> None:
        """Close the connection for good."""
        with self as connection:
            connection.close()
            _links.discard(weakref.ref(self))

    def rest(self, seconds: float) -> bool:
        """Close the connection and let nobody in until `wake`; False if somebody is inside for so many seconds."""
        if not self._inside.acquire(timeout=max(seconds, 0)):
            return False
        self._connection.close()
        return True

    def wake(self, *, connect: bool) -> None:
        """Let others in again: to a new connection, or (in a child, which makes links of its own) to the closed one."""
        if connect:
            with contextlib.suppress(sqlite3.Error):  # the next one inside hears of it
                self._connection = self._connect()
        self._inside.release()


def _before_fork() -> None:
    _forking.acquire()
    give_up = time.monotonic() + PATIENCE
    links = [link for reference in list(_links) if (link := reference()) is not None]
    _resting[:] = [link for link in links if link.rest(give_up - time.monotonic())]


def _after_in_parent() -> None:
    for link in _resting:
        link.wake(connect=True)
    _resting.clear()
    _forking.release()


def _after_in_child() -> None:
    _inherited.extend(link for reference in _links if (link := reference()) is not None and link not in _resting)
    _links.clear()
    for link in _resting:
        link.wake(connect=False)
    _resting.clear()
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
