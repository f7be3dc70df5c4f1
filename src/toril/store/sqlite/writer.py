"""Writing to the file: commands of one tick of an event loop share a transaction, commands of all share the next.

A light group is written where it was asked for: that costs the loop less than handing it to a thread and hearing back.
A heavy one, and every one while somebody else writes or the disk is slow, goes to the process's writer thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, groupby, islice
from queue import SimpleQueue
from typing import Any, TypeVar

from toril.clock import Clock
from toril.errors import StoreUnavailable
from toril.store.sqlite import metrics
from toril.store.sqlite.file import DatabaseFile
from toril.store.sqlite.transaction import Transaction
from toril.turn import Turn

__all__ = ["Writer"]

T = TypeVar("T")
GATHER = 256  # commands that one transaction of the thread carries at most
LIGHT = 100  # weight of a group that is written on its own loop: about a millisecond
SLOW, AVOID = 0.02, 1.0  # seconds: after a commit that took so long, loops are spared for so long
BUSY = 5.0  # seconds that a stranger may hold the file
LAST = 1.0  # seconds that what is waiting has to be written when the writer closes
RETRY = 0.01


class Command:
    """A verb to run inside a transaction, and the future that awaits what it returns."""

    __slots__ = ("arguments", "begun", "future", "limit", "loop", "verb", "weight")

    def __init__(self, verb: Callable[..., Any], arguments: tuple[Any, ...], limit: float | None, weight: int) -> None:
        self.verb = verb
        self.arguments = arguments
        self.limit = limit
        self.weight = weight
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.begun = False


Answer = tuple[Command, Any, Exception | None]


class Writer:
    """Runs commands, in the order of each loop.

    gathered: the one verb whose argument is a list and whose result is a list as long: several such commands in a row
    are run as one.
    """

    def __init__(
        self,
        file: DatabaseFile,
        clock: Clock,
        *,
        gathered: Callable[[Transaction, Sequence[Any]], list[Any]],
        ring: Callable[[Transaction], None],
    ) -> None:
        self._clock = clock
        self._gathered = gathered
        self._ring = ring
        self._link = file.connect(timeout=0)
        self._turn = Turn(None if file.memory else file.beside("-lock"))
        self._busy = threading.Lock()  # who holds it writes
        self._asked: dict[asyncio.AbstractEventLoop, list[Command]] = {}
        self._spared_until = float("inf") if file.synchronous == "FULL" else 0.0  # a commit that syncs is slow
        self._inbox: SimpleQueue[list[Command] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="toril-writer", daemon=True)
        self._thread.start()

    async def call(self, verb: Callable[..., T], *arguments: object, limit: float | None, weight: int = 1) -> T:
        """Run `verb(transaction, *arguments)` and return what it returned, once that is committed.

        limit: seconds after which a command that could not begin raises StoreUnavailable; it never will begin then.
        weight: the rows that it may touch.
        """
        command = Command(verb, arguments, limit, weight)
        asked = self._asked.get(command.loop)
        if asked is None:
            self._asked[command.loop] = [command]
            command.loop.call_soon(self._flush, command.loop)
        else:
            asked.append(command)
        result: T = await command.future
        return result

    def close(self) -> None:
        """Run what is waiting, then end the thread and close its connection.

        While somebody else holds the file nothing can be run: then both end with the process.
        """
        self._inbox.put(None)
        self._thread.join(LAST)
        if self._thread.is_alive():
            return
        self._link.close()
        self._turn.close()

    def forget(self) -> None:
        """This process is a fork: let go of the parent's turn, which would not end with the parent otherwise."""
        self._turn.close()

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write what one tick of a loop has asked for, or give it to the thread."""
        commands = self._asked.pop(loop)
        if not self._write_here(commands):
            for command in commands:
                _limit(command)
            self._inbox.put(commands)

    def _write_here(self, commands: list[Command]) -> bool:
        """Write a light group on the loop that asked, if that needs no waiting; return whether it is done."""
        begin = time.monotonic()
        if sum(command.weight for command in commands) > LIGHT or begin < self._spared_until:
            return False
        if not self._inbox.empty() or not self._busy.acquire(blocking=False):
            return False
        try:
            if not self._turn.take(wait=False):
                return False
            try:
                with self._link as connection:
                    if not _begin(connection, wait=0):
                        return False
                    answers = self._transact(connection, commands)
            finally:
                self._turn.give()
        finally:
            self._busy.release()
        if time.monotonic() - begin > SLOW:
            self._spared_until = time.monotonic() + AVOID
        _settle(answers)
        return True

    def _work(self) -> None:
        stop = False
        while not stop and (commands := self._inbox.get()) is not None:
            with self._busy:
                self._turn.take(wait=True)
                try:
                    with self._link as connection:
                        begun = _begin(connection, wait=BUSY)
                        stop = self._gather(commands)
                        answers = self._transact(connection, commands) if begun else _locked(commands)
                finally:
                    self._turn.give()
            _deliver(answers)  # last: from here on another thread wants the interpreter

    def _gather(self, commands: list[Command]) -> bool:
        """Add what waits behind the first commands; return True when told to stop."""
        while len(commands) < GATHER and not self._inbox.empty():
            more = self._inbox.get()
            if more is None:
                return True
            commands += more
        return False

    def _transact(self, connection: sqlite3.Connection, commands: list[Command]) -> list[Answer]:
        """Run commands in the transaction that is open; if one fails, each in a transaction of its own."""
        live = [command for command in commands if _take_up(command)]
        transaction = Transaction(connection, self._clock)
        try:
            answers = self._run(transaction, live)
            metrics.write(transaction)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  (whatever it is belongs to its caller)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if len(live) == 1:
                return [(live[0], None, _translate(error))]
            return [answer for command in live for answer in self._alone(connection, command)]
        self._ring(transaction)
        return answers

    def _alone(self, connection: sqlite3.Connection, command: Command) -> list[Answer]:
        return self._transact(connection, [command]) if _begin(connection, wait=BUSY) else _locked([command])

    def _run(self, transaction: Transaction, commands: list[Command]) -> list[Answer]:
        answers: list[Answer] = []
        for verb, group in groupby(commands, _verb_of):
            batch = list(group)
            if verb is self._gathered and len(batch) > 1:
                items = iter(verb(transaction, list(chain.from_iterable(each.arguments[0] for each in batch))))
                answers += [(each, list(islice(items, len(each.arguments[0]))), None) for each in batch]
            else:
                answers += [(each, verb(transaction, *each.arguments), None) for each in batch]
        return answers


def _verb_of(command: Command) -> Callable[..., Any]:
    return command.verb


def _begin(connection: sqlite3.Connection, wait: float) -> bool:
    """Begin a transaction; False if a stranger holds the file for longer than `wait` seconds."""
    give_up = time.monotonic() + wait
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            if time.monotonic() >= give_up:
                return False
            time.sleep(RETRY)
        else:
            return True


def _take_up(command: Command) -> bool:
    """Mark a command as begun; False if its caller has given up."""
    if command.future.done():
        return False
    command.begun = True
    return True


def _limit(command: Command) -> None:
    """See that the command's caller does not wait longer than it wants to."""
    if command.limit is not None:
        timer = command.loop.call_later(command.limit, _expire, command)
        command.future.add_done_callback(lambda _: timer.cancel())


def _expire(command: Command) -> None:
    """Give up a command that has not begun; one that has is a commit away from its answer."""
    if not command.begun and not command.future.done():
        command.future.set_exception(StoreUnavailable(f"the store did not answer within {command.limit:g} s"))


def _locked(commands: list[Command]) -> list[Answer]:
    error = StoreUnavailable(f"another program has held the file's write lock for {BUSY:g} s")
    return [(command, None, error) for command in commands]


def _deliver(answers: Iterable[Answer]) -> None:
    """Hand answers to their loops from the thread, with one wake-up for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
    for answer in answers:
        by_loop.setdefault(answer[0].loop, []).append(answer)
    for loop, batch in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, batch)
        except RuntimeError:  # that loop is closed: nobody awaits
            continue


def _settle(answers: Iterable[Answer]) -> None:
    for command, result, error in answers:
        if command.future.done():  # its caller was cancelled
            continue
        if error is None:
            command.future.set_result(result)
        else:
            command.future.set_exception(error)


def _translate(error: Exception) -> Exception:
    """Return our own error for one of SQLite's."""
    return StoreUnavailable(f"the store could not write: {error}") if isinstance(error, sqlite3.Error) else error
