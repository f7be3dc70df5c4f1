"""Failures of one queue in groups of a kind. What was read once is remembered: the next look reads what is new."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

from toril.fingerprint import FailureGroup, Failures, Fingerprint, fingerprint
from toril.job import JobState
from toril.store.base import Store

__all__ = ["Grouping"]

NEWEST, PART = 10_000, 200  # failed jobs that groups are made of, and how many are read at once


class _Failure(NamedTuple):
    at: int
    kind: Fingerprint
    job_id: str


class Grouping:
    """The newest 10,000 failed jobs of a queue, by kind."""

    def __init__(self, store: Store, queue: str) -> None:
        self._store = store
        self._queue = queue
        self.is_whole = False  # the last look left nothing to the next
        self._known: dict[int | str, _Failure] = {}  # by the store's marks, newest first
        self._kinds: dict[Fingerprint, Fingerprint] = {}  # each once in memory

    async def look(self, within: float | None = None) -> Failures:
        """Return the groups; `within`: seconds after which those that are not yet read are left to the next look."""
        give_up = time.monotonic() + (math.inf if within is None else within)
        times, known = await self._store.failures(self._queue, NEWEST), self._known
        read = {mark: known[mark] for mark, at in times.items() if mark in known and known[mark].at == at}
        unread = [mark for mark in times if mark not in read]
        while unread:
            await self._read(unread[:PART], read)
            del unread[:PART]
            if time.monotonic() >= give_up:
                break
        self.is_whole = not unread
        self._known = {mark: read[mark] for mark in times if mark in read}
        total = (await self._store.info(self._queue)).counts[JobState.FAILED]
        return Failures(self._groups(), len(read), max(total, len(read)))

    async def ids(self, fingerprint_id: str) -> list[str]:
        """Return the jobs of a kind."""
        await self.look()
        wanted = {kind for kind in self._kinds if kind.id == fingerprint_id}
        return [failure.job_id for failure in self._known.values() if failure.kind in wanted]

    async def _read(self, marks: Sequence[int | str], into: dict[int | str, _Failure]) -> None:
        found = await self._store.reasons(self._queue, marks)  # without those that were just retried or removed
        for mark, job in found.items():
            kind = fingerprint(job.name, job.reason)
            into[mark] = _Failure(job.at, self._kinds.setdefault(kind, kind), job.id)

    def _groups(self) -> list[FailureGroup]:
        """Return the groups, the largest first."""
        groups: dict[Fingerprint, list[_Failure]] = {}
        for failure in self._known.values():
            groups.setdefault(failure.kind, []).append(failure)
        self._kinds = {kind: kind for kind in groups}
        found = [
            FailureGroup(kind, len(alike), alike[-1].at, alike[0].at, alike[0].job_id) for kind, alike in groups.items()
        ]
        return sorted(found, key=lambda group: (-group.count, -group.last))
