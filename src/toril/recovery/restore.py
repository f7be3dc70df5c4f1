"""Putting a backup back: verified, held, and only then under its name."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from toril.app import Toril
from toril.errors import BackupError
from toril.recovery.archive import Manifest, extract, read_manifest, sync_folder
from toril.recovery.holding import hold_jobs, hold_mails
from toril.recovery.places import Place
from toril.recovery.snapshot import refuse_used

__all__ = ["Restored", "restore", "verify"]

_SUFFIXES = ("", "-wal", "-shm")


class Restored(NamedTuple):
    """What was put back, the queues that are paused, how many mails are held, and what the old files are called now."""

    manifest: Manifest
    queues: Sequence[str]
    mails: int
    aside: Sequence[Path]


def verify(file: Path) -> Manifest:
    """Read all of a backup and return what it holds; raise BackupError if it is damaged."""
    manifest = read_manifest(file)
    for part in manifest.parts:
        extract(file, part, None)
    return manifest


async def restore(file: Path, places: Sequence[Place], app: Toril, *, force: bool) -> Restored:
    """Put the parts of a backup to their places, with all queues paused and every mail that was not final held.

    force: where there is something already, rename that; nobody may have it open. Raises BackupError, and then every
    place is as it was.
    """
    manifest = read_manifest(file)
    targets = {place.name: place.path for place in places}
    chosen = [part for part in manifest.parts if part.name in targets]
    if not chosen:
        raise BackupError(f"{file}: it holds {', '.join(part.name for part in manifest.parts)} and not what is wanted")
    taken = manifest.taken_at
    try:
        _refuse_taken([targets[part.name] for part in chosen], force=force)
        with ExitStack() as folders:
            staged = {}
            for part in chosen:
                folder = TemporaryDirectory(prefix=".toril-restore-", dir=targets[part.name].parent)
                staged[part.name] = Path(folders.enter_context(folder)) / targets[part.name].name
                extract(file, part, staged[part.name])
            queues = await _held_jobs(staged["jobs"], app, taken) if "jobs" in staged else []
            mails = await _held_mails(staged["log"], app, taken) if "log" in staged else 0
            _refuse_taken([targets[name] for name in staged], force=force)  # a supervisor may have started a worker
            aside = _put(staged, targets)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{file}: it could not be restored: {error}") from None
    return Restored(replace(manifest, parts=chosen), queues, mails, aside)


def _refuse_taken(paths: Sequence[Path], *, force: bool) -> None:
    there = [file for path in paths for file in _files(path) if file.exists()]
    if there and not force:
        raise BackupError(f"{there[0]}: it is there already: choose another place with --into, or --force to rename it")
    for path in paths:
        if path.exists():
            refuse_used(path)


async def _held_jobs(path: Path, app: Toril, taken: str) -> list[str]:
    async with Toril(f"sqlite:///{path}", settings=app.settings) as copy:
        return await hold_jobs(copy, app.served_queues(), taken)


async def _held_mails(path: Path, app: Toril, taken: str) -> int:
    from toril.messaging.database import log_url

    return await hold_mails(log_url(f"sqlite:///{path}"), app, taken)


def _put(staged: Mapping[str, Path], targets: Mapping[str, Path]) -> list[Path]:
    """Give files their names, the jobs last; return what the old ones are called now."""
    for path in staged.values():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside, moves = [], []
    for name in sorted(staged, reverse=True):  # log, jobs
        olds = [old for old in _files(targets[name]) if old.exists()]
        kept = targets[name].with_name(f"{targets[name].name}.before-{stamp}")
        news = [Path(f"{kept}{old.name.removeprefix(targets[name].name)}") for old in olds]
        aside += news
        moves += [*zip(olds, news, strict=True), (staged[name], targets[name])]
    _move(moves)
    for target in {target.parent for _, target in moves}:
        sync_folder(target)
    return aside


def _move(moves: Sequence[tuple[Path, Path]]) -> None:
    """Rename files; if one cannot be, give the others their names back."""
    done: list[tuple[Path, Path]] = []
    try:
        for old, new in moves:
            old.rename(new)
            done.append((old, new))
    except OSError:
        for old, new in reversed(done):
            new.rename(old)
        raise


def _files(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in _SUFFIXES]
