"""Where jobs and delivery log are: SQLite files, which are copied here, or servers, which have tools of their own."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from toril.app import Toril
from toril.errors import BackupError
from toril.store.sqlite.file import DatabaseFile

if TYPE_CHECKING:
    from sqlalchemy import URL

    from toril.messaging import Mailer

__all__ = ["Place", "log_of", "places_in", "places_of"]


class Place(NamedTuple):
    """One part, `jobs` or `log`, and its SQLite file."""

    name: str
    path: Path


def places_of(app: Toril, mailer: Mailer | None, only: str | None) -> list[Place]:
    """Return the files of an application's jobs and of its delivery log, or of one of them.

    The log is that of the settings unless a mailer has its own. Raises BackupError for what is on a server, and says
    what copies it there.
    """
    found, elsewhere = [], []
    for name in ("jobs", "log"):
        if only in {None, name}:
            place = _jobs(app) if name == "jobs" else _log(app, mailer)
            if isinstance(place, str):
                elsewhere.append(place)
            elif place is not None:
                found.append(place)
    if elsewhere:
        hint = f"; for the rest alone: --only {found[0].name}" if found else ""
        raise BackupError("; ".join(elsewhere) + f" (docs/recovery.md){hint}")
    return found


def places_in(folder: Path, only: str | None) -> list[Place]:
    """Return files in a folder, named so that `sqlite:///FOLDER/jobs.db` finds its log."""
    names = {"jobs": "jobs.db", "log": "jobs-mail.db"}
    return [Place(name, folder.absolute() / file) for name, file in names.items() if only in {None, name}]


def _jobs(app: Toril) -> Place | str:
    if not app.url.startswith("sqlite:"):
        return "the jobs are in Redis: copy them with redis-cli --rdb"
    file = DatabaseFile(app.url, "NORMAL")
    if file.memory:
        return "the jobs are in memory and end with their process"
    return Place("jobs", file.path)


def log_of(app: Toril, mailer: Mailer | None) -> URL | None:
    """Return the database of the delivery log: the mailer's, else that of the settings; None: there can be no mail."""
    if mailer is not None:
        return mailer.log_url
    if find_spec("sqlalchemy") is None:
        return None
    from toril.messaging import wiring

    return wiring.log_of(app, None)


def _log(app: Toril, mailer: Mailer | None) -> Place | str | None:
    url = log_of(app, mailer)
    if url is None:
        return None
    if url.get_backend_name() != "sqlite":
        return "the delivery log is in PostgreSQL: copy it with pg_dump"
    if url.database in {None, "", ":memory:"}:
        return "the delivery log is in memory and ends with its process"
    return Place("log", Path(url.database or "").absolute())
