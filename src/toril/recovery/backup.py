"""Taking a backup while workers run."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from toril.errors import BackupError
from toril.recovery import snapshot
from toril.recovery.archive import Manifest, Part, digest, pack, sync_folder
from toril.recovery.places import Place

__all__ = ["back_up"]


def back_up(places: Sequence[Place], file: Path) -> Manifest:
    """Copy databases into one new file and return what is in it.

    The jobs are copied before the log, so that what was sent in between is known to be sent. The file has its name only
    when all of it is on the disk. Raises BackupError: then there is no such file.
    """
    if file.exists():
        raise BackupError(f"{file}: it is there already, and a backup overwrites none")
    there = [place for place in places if place.path.exists()]
    if not there or there[0] != places[0]:  # an application without mail and dashboard has no log
        raise BackupError(f"{places[0].path}: there is none; run this where the workers run, with their settings")
    taken_at = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    try:
        with TemporaryDirectory(prefix=".toril-backup-", dir=file.parent) as name:
            folder = Path(name)
            copies = {place.name: folder / f"{place.name}.db" for place in there}
            parts = [_taken(place, copies[place.name]) for place in there]
            manifest = Manifest(taken_at, socket.gethostname(), parts)
            pack(folder / "backup", manifest, copies)
            (folder / "backup").rename(file)
            sync_folder(file.parent)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{file}: the backup could not be written: {error}") from None
    return manifest


def _taken(place: Place, target: Path) -> Part:
    snapshot.copy(place.path, target)
    counts = snapshot.count(place.name, target)
    return Part(place.name, str(place.path), target.stat().st_size, digest(target), counts)
