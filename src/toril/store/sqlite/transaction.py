"""What the verbs of the SQLite store stand on: one open transaction, its time, what it changes in passing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from toril.clock import Clock
from toril.json import dump
from toril.store.sqlite.queries import SQL

__all__ = ["ACTIVE", "CLASS", "COMPLETED", "DELAYED", "FAILED", "PRIORITIZED", "WAITING", "Transaction"]

WAITING, PRIORITIZED, DELAYED, WAITING_CHILDREN, ACTIVE, COMPLETED, FAILED = range(7)
EVENTS = 10_000  # rows kept; one row tells of many jobs
CLASS = 2**40  # a prioritized rank is priority * CLASS + number: room for 2^39 numbers on either side

Row = tuple[Any, ...]


class Transaction:
    """An open write transaction."""

    __slots__ = (
        "_connection",
        "_queues",
        "ended",
        "execute",
        "executemany",
        "keyed",
        "limits",
        "monotonic",
        "now",
        "ready",
        "told",
    )

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self._connection = connection
        self.execute = connection.execute
        self.executemany = connection.executemany
        self.now = clock.now()
        self.monotonic = clock.monotonic()
        self.ready: set[int] = set()  # queues that got jobs to run
        self.told = False  # whether an event was written
        self.ended: dict[int, tuple[int, int]] = {}  # how many jobs of a queue completed and failed
        self._queues: dict[str, int] = {}
        self.keyed: set[int] = set()  # queues that have had jobs with a deduplication key
        self.limits: dict[int, int] = {}  # lengths of queues, of those that are bounded

    def run(self, statement: str, /, **parameters: object) -> sqlite3.Cursor:
        """Run the named statement."""
        return self.execute(SQL[statement], parameters)

    def rows(self, statement: str, /, **parameters: object) -> list[Row]:
        """Run the named statement and return its rows."""
        return self.execute(SQL[statement], parameters).fetchall()

    def many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run the named statement once for each row."""
        self.executemany(SQL[statement], rows)

    def queue(self, name: str) -> int:
        """Return the number of a queue, which is made if nobody has used it."""
        number = self._queues.get(name)
        if number is None:
            found = self.run("queue_id", name=name).fetchone() or self.rows("make_queue", name=name)[0]
            number = self._queues[name] = found[0]
            _, forgotten, max_length, keyed = found
            if forgotten:
                self.run("remember_queue", queue=number)
            if max_length is not None:
                self.limits[number] = max_length
            if keyed:
                self.keyed.add(number)
        return number

    def limit(self, queue: int, max_length: int | None) -> None:
        """Bound the length of a queue, or (None) let it grow."""
        self.run("limit_length", queue=queue, max_length=max_length)
        self.limits.pop(queue, None)
        if max_length is not None:
            self.limits[queue] = max_length

    def forget(self, name: str, queue: int) -> None:
        """Forget a queue and all that was said of it, until it is used again (even within this transaction)."""
        self.run("forget_queue", queue=queue)
        self._queues.pop(name, None)
        self.limits.pop(queue, None)

    def find_queue(self, name: str) -> int | None:
        """Return the number of a queue, or None if nobody has used it (since it was obliterated)."""
        found = self.run("queue_id", name=name).fetchone()
        return None if found is None or found[1] else int(found[0])

    def ready_names(self) -> list[str]:
        """Return the names of the queues that got jobs to run."""
        return [name for name, number in self._queues.items() if number in self.ready]

    def numbers(self, count: int) -> int:
        """Take `count` fresh numbers; return the first."""
        last: int = self.execute(SQL["last_number"]).fetchone()[0]
        self.execute(SQL["take_numbers"], (last + count,))
        return last + 1

    def count(self, queue: int, changes: Mapping[int, int]) -> None:
        """Change the queue's counts by state."""
        if any(changes.values()):
            deltas = [changes.get(state, 0) for state in range(7)]
            self.execute(SQL["count"], [*deltas, queue])

    def end(self, queue: int, completed: int, failed: int) -> None:
        """Remember how many jobs have ended, for the metrics."""
        earlier = self.ended.get(queue, (0, 0))
        self.ended[queue] = (earlier[0] + completed, earlier[1] + failed)

    def tell(self, queue: int, kind: str, body: str) -> None:
        """Write an event; `body` is a JSON list with an item for each job."""
        cursor = self.execute(SQL["insert_event"], (queue, kind, self.now, body))
        self.told = True
        last = cursor.lastrowid or 0
        if last % 1000 == 0:
            self.run("trim_events", last=last - EVENTS)

    def tell_all(self, queue: int, kind: str, items: list[Any]) -> None:
        """Write an event with an item for each job, if there is any."""
        if items:
            self.tell(queue, kind, dump(items))

    def ready_place(self, priority: int, number: int, *, front: bool = False) -> tuple[int, int]:
        """Return state and rank of a job that may be taken: behind those of its class, or before all."""
        if priority == 0:
            return WAITING, -number if front else number
        return PRIORITIZED, priority * CLASS + (-number if front else number)

    def make_ready(
        self, queue: int, was: int, prev: str, jobs: Sequence[Row], *, statement: Literal["move", "revive"] = "move"
    ) -> None:
        """Put jobs, given as (row, priority, id), behind those that are ready, or before them if a fourth is true.

        prev: their state's name.
        """
        number = self.numbers(len(jobs))
        moves = [
            (*self.ready_place(job[1], number + offset, front=any(job[3:])), job[0]) for offset, job in enumerate(jobs)
        ]
        self.many(statement, moves)
        waiting = sum(move[0] == WAITING for move in moves)
        self.count(queue, {was: -len(moves), WAITING: waiting, PRIORITIZED: len(moves) - waiting})
        self.tell_all(queue, "waiting", [[job[2], prev] for job in jobs])
        self.ready.add(queue)

    def forget_logs(self, removed: Iterable[Row]) -> None:
        """Remove the log lines of removed jobs; `removed` are rows of (id, lines)."""
        self.many("remove_logs", [(row[0],) for row in removed if row[1]])
