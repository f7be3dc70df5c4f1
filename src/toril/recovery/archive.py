"""A backup is one zip file: a copy of each database, and `manifest.json`, which says what they are."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from toril.errors import BackupError

__all__ = ["Manifest", "Part", "extract", "pack", "read_manifest", "sync_folder"]

FORMAT = 1
MANIFEST = "manifest.json"
_CHUNK = 1 << 20
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Part:
    """One database within a backup.

    name: jobs or log. source: the file that it is a copy of. counts: of jobs, by queue and state; of mails, by status.
    """

    name: str
    source: str
    bytes: int
    sha256: str
    counts: Mapping[str, Any]

    @property
    def member(self) -> str:
        """The name of its file in the archive."""
        return f"{self.name}.db"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds; `taken_at` (UTC): all that was committed by then is in it."""

    taken_at: str
    host: str
    parts: Sequence[Part]

    def to_json(self) -> str:
        """Return it as it lies in the archive."""
        return json.dumps({"format": FORMAT, "toril": version("toril"), **asdict(self)}, ensure_ascii=False, indent=2)

    @staticmethod
    def from_json(text: bytes) -> Manifest:
        """Read it; raise BackupError for one of a newer Toril."""
        found = json.loads(text)
        if found["format"] > FORMAT:
            raise BackupError(f"made by a newer Toril ({found['toril']}): expected format {FORMAT}")
        parts = [Part(**part) for part in found["parts"]]
        return Manifest(found["taken_at"], found["host"], parts)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pack(file: Path, manifest: Manifest, copies: Mapping[str, Path]) -> None:
    """Write an archive that its owner alone can read, and wait until it is on the disk."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # mails are personal data
    with os.fdopen(handle, "wb") as out:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(MANIFEST, manifest.to_json())
            for part in manifest.parts:
                archive.write(copies[part.name], part.member)
        out.flush()
        os.fsync(out.fileno())


def read_manifest(file: Path) -> Manifest:
    """Return what a backup holds; raise BackupError if it is none."""
    try:
        with zipfile.ZipFile(file) as archive:
            return Manifest.from_json(archive.read(MANIFEST))
    except FileNotFoundError:
        raise BackupError(f"{file}: there is no such file") from None
    except (*_UNREADABLE, ValueError, TypeError) as error:
        raise BackupError(f"{file}: expected a backup of Toril, could not read one: {error}") from None


def extract(file: Path, part: Part, target: Path | None) -> None:
    """Write one database to `target` (None: nowhere) and check it; raise BackupError if it is not what was put in."""
    seen = hashlib.sha256()
    try:
        with (
            zipfile.ZipFile(file) as archive,
            archive.open(part.member) as source,
            open(target or os.devnull, "wb") as out,  # noqa: PTH123
        ):
            while chunk := source.read(_CHUNK):
                seen.update(chunk)
                out.write(chunk)
            out.flush()
            if target is not None:
                os.fsync(out.fileno())
    except _UNREADABLE as error:
        raise BackupError(f"{file}: {part.member} is damaged: {error}") from None
    if seen.hexdigest() != part.sha256:
        raise BackupError(f"{file}: {part.member} is damaged: its checksum is not that of the manifest")


def sync_folder(folder: Path) -> None:
    """Wait until names in a folder are on the disk."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
