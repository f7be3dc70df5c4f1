"""A SQLite file as it was at one moment, copied while others write to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from toril.errors import BackupError
from toril.store.sqlite.file import BUSY_TIMEOUT

__all__ = ["copy", "count", "refuse_used"]

_QUEUES = """SELECT name, waiting, prioritized, delayed, waiting_children AS "waiting-children", active, completed,
failed FROM queue WHERE id > 0 AND forgotten IS NULL ORDER BY name"""
_MAILS = "SELECT status, count(*) FROM email_logs GROUP BY status ORDER BY status"
_HAS_MAILS = "SELECT 1 FROM sqlite_master WHERE name = 'email_logs'"
_TAKEN = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def copy(source: Path, target: Path) -> None:
    """Copy a database in one step: no writer waits, and what is committed meanwhile is not in it.

    Raises BackupError if the copy is not sound.
    """
    with closing(_open(source)) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there)
        (found,) = there.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise BackupError(f"{source} is damaged: {found}")


def count(name: str, path: Path) -> dict[str, Any]:
    """Return how many jobs or mails a copy holds: by queue and state, or by status; those of which there are any."""
    with closing(_open(path)) as link:
        if name == "jobs":
            found = link.execute(_QUEUES)
            states = [column[0] for column in found.description[1:]]
            rows = found.fetchall()
            return {row[0]: {state: n for state, n in zip(states, row[1:], strict=True) if n} for row in rows}
        return dict(link.execute(_MAILS).fetchall()) if link.execute(_HAS_MAILS).fetchone() else {}


def refuse_used(path: Path) -> None:
    """Raise BackupError if a process has a database open; a damaged one is nobody's."""
    try:
        with closing(_open(path, timeout=0)) as link:
            link.execute("PRAGMA locking_mode = EXCLUSIVE")
            link.execute("SELECT count(*) FROM sqlite_master").fetchall()  # who has it open keeps a lock on it
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in _TAKEN:
            raise BackupError(f"{path} is in use: stop workers and web processes first") from None
        raise
    except sqlite3.DatabaseError:
        return


def _open(path: Path, timeout: float = BUSY_TIMEOUT) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=timeout, isolation_level=None)
