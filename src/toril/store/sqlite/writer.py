"""The one thread of a process that writes to the file: commands gather while a commit runs and share the next."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import InvalidStateError
from queue import SimpleQueue
from types import ModuleType
from typing import Any, TypeVar

from toril.clock import Clock
from toril.errors import StoreUnavailable
from toril.store.sqlite.file import DatabaseFile
from toril.store.sqlite.transaction import Transaction

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: SQLite's own lock has to do
    fcntl = None

__all__ = ["Writer"]

T = TypeVar("T")
GATHER = 256  # commands that one transaction carries at most


class Command:
    """A verb to run inside the next transaction, and the future that awaits what it returns."""

    __slots__ = ("arguments", "begun", "future", "loop", "verb")

    def __init__(self, verb: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.verb = verb
        self.arguments = arguments
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.begun = False


Answer = tuple[Command, Any, Exception | None]


class Writer:
    """Runs commands in order, as many as wait in one transaction."""

    def __init__(self, file: DatabaseFile, clock: Clock, ring: Callable[[Transaction], None]) -> None:
        self._file = file
        self._clock = clock
        self._ring = ring
        self._inbox: SimpleQueue[Command | None] = SimpleQueue()
        self._connection = file.connect()
        self._turn = _Turn(file)
        self._thread = threading.Thread(target=self._work, name="toril-writer", daemon=True)
        self._thread.start()

    async def call(self, verb: Callable[..., T], *arguments: object, limit: float | None) -> T:
        """Run `verb(transaction, *arguments)` and return what it returned, once that is committed.

        With a `limit` (seconds) it raises StoreUnavailable when the command could not begin in time; then it never
        will.
        """
        command = Command(verb, arguments)
        self._inbox.put(command)
        if limit is None:
            return await command.future  # type: ignore[no-any-return]
        timer = command.loop.call_later(limit, _expire, command, limit)
        try:
            return await command.future  # type: ignore[no-any-return]
        finally:
            timer.cancel()

    def close(self) -> None:
        """Run what is waiting, then end the thread and close its connection."""
        self._inbox.put(None)
        self._thread.join()
        self._connection.close()
        self._turn.close()

    def _work(self) -> None:
        stop = False
        while not stop and (first := self._inbox.get()) is not None:
            commands = [first]
            try:
                with self._turn:
                    self._connection.execute("BEGIN IMMEDIATE")
                    stop = self._gather(commands)
                    answers = self._transact([command for command in commands if _begin(command)])
            except sqlite3.Error as error:  # a stranger holds the file, or the disk is full
                answers = [(command, None, _translate(error)) for command in commands]
            _deliver(answers)  # last: from here on another thread wants the interpreter

    def _transact(self, commands: list[Command]) -> list[Answer]:
        """Run `commands` in the transaction that is open; if one fails, each in a transaction of its own."""
        transaction = Transaction(self._connection, self._clock)
        try:
            answers: list[Answer] = [
                (command, command.verb(transaction, *command.arguments), None) for command in commands
            ]
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  (whatever it is belongs to its caller)
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if len(commands) == 1:
                return [(commands[0], None, _translate(error))]
            return [answer for command in commands for answer in self._alone(command)]
        self._ring(transaction)
        return answers

    def _alone(self, command: Command) -> list[Answer]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            return [(command, None, _translate(error))]
        return self._transact([command])

    def _gather(self, commands: list[Command]) -> bool:
        """Add what waits behind the first command; return True when told to stop."""
        while len(commands) < GATHER and not self._inbox.empty():
            command = self._inbox.get()
            if command is None:
                return True
            commands.append(command)
        return False


class _Turn:
    """A lock on a file beside the database, so that writers of several processes take turns.

    SQLite's own busy handler polls with sleeps, and a busy neighbour wins again and again.
    """

    def __init__(self, file: DatabaseFile) -> None:
        self._file: int | None = None
        if fcntl is not None and not file.memory:
            self._file = os.open(file.beside("-lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def __enter__(self) -> None:
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_EX)  # type: ignore[union-attr]

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)  # type: ignore[union-attr]

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)


def _begin(command: Command) -> bool:
    """Mark a command as begun; False if its caller has given up."""
    if command.future.done():
        return False
    command.begun = True
    return True


def _expire(command: Command, limit: float) -> None:
    """Give up a command that has not begun; one that has is a commit away from its answer."""
    if not command.begun and not command.future.done():
        command.future.set_exception(StoreUnavailable(f"the store did not answer within {limit:g} s"))


def _deliver(answers: Iterable[Answer]) -> None:
    """Hand answers to their loops, with one wake-up for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
    for answer in answers:
        by_loop.setdefault(answer[0].loop, []).append(answer)
    for loop, batch in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, batch)
        except RuntimeError:  # that loop is closed: nobody awaits
            continue


def _settle(answers: list[Answer]) -> None:
    for command, result, error in answers:
        if command.future.done():
            continue
        try:
            if error is None:
                command.future.set_result(result)
            else:
                command.future.set_exception(error)
        except InvalidStateError:
            continue


def _translate(error: Exception) -> Exception:
    """Return our own error for one of SQLite's."""
    return StoreUnavailable(f"the store could not write: {error}") if isinstance(error, sqlite3.Error) else error
