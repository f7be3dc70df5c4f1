"""What jobs did, in a file that knows nothing of the store: one line an effect, in the order in which they happened."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from toril import JobContext


class Entry(NamedTuple):
    """`at` is CLOCK_MONOTONIC in seconds, which all processes share."""

    job: str
    start: int
    pid: int
    at: float
    what: str


class Ledger:
    """Lines are appended with one write each, so that processes do not mix them and a kill loses none."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, job: str, start: int, what: str) -> None:
        line = f"{job} {start} {os.getpid()} {time.monotonic()} {what}\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    @contextmanager
    def run(self, job: JobContext) -> Iterator[None]:
        """Write that a job has started, and how that went on: `end`, or `cut` if it was not let to its end."""
        self.write(job.id, job.record.starts, "start")
        what = "cut"
        try:
            yield
            what = "end"
        finally:
            self.write(job.id, job.record.starts, what)

    def entries(self, what: str = "start") -> list[Entry]:
        """Return the effects of one kind, in the order in which they happened."""
        if not self.path.exists():
            return []
        fields = (line.split() for line in self.path.read_text(encoding="ascii").splitlines())
        found = (Entry(job, int(start), int(pid), float(at), kind) for job, start, pid, at, kind in fields)
        return [entry for entry in found if entry.what == what]

    def starts_by_job(self) -> dict[str, list[Entry]]:
        """Return every start of every job."""
        starts: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries():
            starts[entry.job].append(entry)
        return starts
