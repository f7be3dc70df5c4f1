"""The database file: where it is, whether it may be used, and connections to it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import uuid
from pathlib import Path
from typing import Literal

from toril.errors import InvalidStoreURL, StoreRefused, StoreUnavailable
from toril.store.sqlite.link import Link
from toril.store.sqlite.queries import SCHEMA

__all__ = ["OLDEST", "SCHEMA_VERSION", "DatabaseFile", "Synchronous"]

OLDEST = (3, 35, 0)  # RETURNING
SCHEMA_VERSION = 1
BUSY_TIMEOUT = 5.0  # seconds, for strangers on the file; Toril's own writers take turns by the lock beside it

Synchronous = Literal["NORMAL", "FULL"]

# File systems on which locks or shared memory do not hold across machines
_NETWORK = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "afs",
        "ncpfs",
        "9p",
        "ceph",
        "glusterfs",
        "lustre",
        "gpfs",
        "beegfs",
        "orangefs",
    ]
)
_NETWORK_FUSE = ("fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs", "fuse.gcsfuse", "fuse.ceph")


class DatabaseFile:
    """A `sqlite:///path` URL resolved to a file (or to memory), and the checks before its first use."""

    def __init__(self, url: str, synchronous: Synchronous) -> None:
        self.synchronous = synchronous
        place = url.removeprefix("sqlite://")
        self.memory = place == "/:memory:"  # asked for by name: an empty path is a variable that was not set
        if self.memory:
            self.name = f"file:toril-{uuid.uuid4().hex}?mode=memory&cache=shared"
            self.path = Path(":memory:")
            self._keeper: sqlite3.Connection | None = None
            return
        if not place.startswith("/") or place.endswith("/") or "?" in place:
            raise InvalidStoreURL(
                f"{url}: expected sqlite:///relative/file.db, sqlite:////absolute/file.db or sqlite:///:memory:, "
                "without parameters"
            )
        self.path = Path(place[1:]).absolute()
        self.name = self.path.as_uri()

    def beside(self, suffix: str) -> Path:
        """Return the path of a companion file."""
        return self.path.with_name(self.path.name + suffix)

    def prepare(self) -> None:
        """Check the file's place and make the schema; raise StoreRefused (or StoreUnavailable) with what is wrong."""
        refuse_old_sqlite(sqlite3.sqlite_version_info)
        if not self.memory:
            self._check_folder()
        try:
            if self.memory:  # it lives as long as a connection to it does
                self._keeper = self._connect(BUSY_TIMEOUT)
                self._make_schema(self._keeper)
            else:
                with contextlib.closing(self.connect()) as link, link as connection:
                    self._make_schema(connection)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise StoreUnavailable(f"{self.path} is new and another program holds its lock") from error
            raise StoreRefused(f"{self.path}: {error}") from error

    def release(self) -> None:
        """Let go of what `prepare` kept: a database in memory is gone then."""
        if self.memory and self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    def connect(self, timeout: float = BUSY_TIMEOUT) -> Link:
        """Return a link to the file; `timeout`: seconds to wait for a stranger's lock."""
        return Link(lambda: self._connect(timeout))

    def _connect(self, timeout: float) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.name,
            uri=True,
            timeout=BUSY_TIMEOUT,  # to look at the file for the first time, also of who will not wait later
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            if not self.memory:
                connection.execute("PRAGMA wal_autocheckpoint = 0")  # checkpoints have a thread of their own
            connection.execute(f"PRAGMA synchronous = {self.synchronous}")
            connection.execute("PRAGMA cache_size = -32768")  # 32 MiB
            connection.execute("PRAGMA temp_store = MEMORY")  # what would undo a large statement is a file otherwise
            connection.execute(f"PRAGMA busy_timeout = {round(timeout * 1000)}")
        except sqlite3.Error:  # no database at all
            connection.close()
            raise
        return connection

    def _check_folder(self) -> None:
        folder = self.path.parent
        if not os.access(folder, os.F_OK) or not folder.is_dir():  # is_dir raises where one must not look
            raise StoreRefused(f"{self.path}: expected an existing folder, {folder} is none")
        target = self.path if os.access(self.path, os.F_OK) else folder
        if not os.access(folder, os.W_OK | os.X_OK) or not os.access(target, os.W_OK):
            raise StoreRefused(f"{self.path}: expected a file and folder that can be written, {target} cannot")
        if self.path.is_dir():
            raise StoreRefused(f"{self.path}: expected a file, found a folder")
        mounts = Path("/proc/self/mountinfo")
        if mounts.exists():
            refuse_network(self.path.resolve(), mounts.read_text(encoding="utf-8", errors="replace"))

    def _make_schema(self, connection: sqlite3.Connection) -> None:
        """Make the tables if the file is new; leave one that is another program's as it is."""
        if not _has_tables(connection):  # only a new file is worth the wait for whoever writes to it now
            connection.execute("PRAGMA journal_mode = WAL")  # the file keeps it
            connection.execute("BEGIN IMMEDIATE")
            if not _has_tables(connection):
                for statement in SCHEMA.split(";\n"):
                    connection.execute(statement)
            connection.execute("COMMIT")
        version = _version(connection)
        if version is None:
            raise StoreRefused(f"{self.path}: expected a Toril database or a new file, found another's tables")
        if version != SCHEMA_VERSION:
            raise StoreRefused(
                f"{self.path}: expected schema version {SCHEMA_VERSION}, found {version}: made by another Toril"
            )


def refuse_old_sqlite(version: tuple[int, ...]) -> None:
    """Raise StoreRefused if this SQLite lacks what the store is built on."""
    if version < OLDEST:
        found, wanted = (".".join(map(str, v)) for v in (version, OLDEST))
        raise StoreRefused(f"SQLite {found} is too old: expected {wanted} or newer (RETURNING)")


def refuse_network(path: Path, mountinfo: str) -> None:
    """Raise StoreRefused if `path` lies on a network file system, after the kernel's list of mounts."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        mount = left.split()[4].replace("\\040", " ")
        inside = mount == "/" or path == Path(mount) or str(path).startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, right.split()[0]
    if kind in _NETWORK or kind.startswith(_NETWORK_FUSE):
        raise StoreRefused(
            f"{path}: expected a local disk, {best} is a network file system ({kind}), where SQLite's locks do not "
            "hold; put the file on a local disk or use Redis"
        )


def _has_tables(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' LIMIT 1").fetchall())


def _version(connection: sqlite3.Connection) -> int | None:
    """Return the version of Toril's tables; None if these are not Toril's."""
    try:
        row = connection.execute("SELECT version FROM store").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:  # not "no such table", but that it could not be read
            raise
        return None
    return row[0] if row else None
