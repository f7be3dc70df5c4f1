"""Writes to the delivery log in groups: what comes while one is being written shares the next commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from sqlalchemy import Connection

from toril.errors import StoreUnavailable
from toril.messaging.database import cause, passes
from toril.messaging.transactions import Transactions

__all__ = ["LogWriter"]

C = TypeVar("C")
LARGEST = 256  # changes of one commit
PATIENCE = 5.0  # seconds for a change while nothing is known to be wrong
_AGAIN = 0.05  # seconds after a failure


class _Waiting(Generic[C]):
    """A change whose caller waits for `limit` seconds, until `deadline` on the loop's clock."""

    __slots__ = ("begun", "change", "deadline", "future", "limit")

    def __init__(self, change: C, future: asyncio.Future[bool], limit: float, now: float) -> None:
        self.change = change
        self.future = future
        self.limit, self.deadline = limit, now + limit
        self.begun = False

    def begin(self) -> bool:
        """Say that it is being written; False if its caller has given up."""
        self.begun = not self.future.done()
        return self.begun


class LogWriter(Generic[C]):
    """Commits changes in the order in which they come.

    apply: makes some changes on a connection and returns for each whether it took effect. weigh: what a change costs,
    as a multiple of the smallest.
    """

    def __init__(
        self,
        transactions: Transactions,
        apply: Callable[[Connection, Sequence[C]], list[bool]],
        weigh: Callable[[C], int],
    ) -> None:
        self._transactions, self._apply, self._weigh = transactions, apply, weigh
        self._queue: deque[_Waiting[C]] = deque()
        self._writing: Sequence[_Waiting[C]] = ()
        self._timer: asyncio.TimerHandle | None = None  # at the earliest deadline, or before it
        self._work: asyncio.Task[None] | None = None
        self._trouble = ""

    async def write(self, change: C, limit: float) -> bool:
        """Return, once it is on disk, whether a change took effect.

        Raises StoreUnavailable if it could not be written within `limit` seconds; it is `undecided` if the answer
        to a commit was lost. A database that cannot be written is tried again until then; one that has refused
        nothing yet, because it or this machine is slow, has a few seconds.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(change, loop.create_future(), limit, loop.time())
        self._queue.append(waiting)
        if self._work is None:
            self._work = loop.create_task(self._run(), name="toril-mail-log")
        self._watch(waiting.deadline)
        return await waiting.future

    async def close(self) -> None:
        """Wait until all that was to be written is written, or given up."""
        if self._work is not None:
            await asyncio.wait([self._work])
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _run(self) -> None:
        try:
            while self._queue:
                await asyncio.sleep(0)  # all that comes in the same turn of the loop goes together
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), LARGEST))]
                self._writing = batch
                await self._commit(batch)
        finally:
            self._work, self._writing = None, ()

    async def _commit(self, batch: Sequence[_Waiting[C]]) -> None:
        try:
            await self._transact(batch)
        except Exception as error:  # noqa: BLE001  (one change may be at fault, and must not hold up the others)
            if passes(error):
                self._trouble = cause(error)
                self._queue.extendleft(waiting for waiting in reversed(batch) if not waiting.future.done())
                await asyncio.sleep(_AGAIN)
                return
            if len(batch) == 1:
                _settle(batch[0], error)
                return
            for waiting in batch:
                await self._commit([waiting])

    async def _transact(self, batch: Sequence[_Waiting[C]]) -> None:
        light = sum(self._weigh(waiting.change) for waiting in batch) <= LARGEST
        for waiting, answer in await self._transactions.run(partial(self._write, batch), light=light):
            _settle(waiting, answer)
        self._trouble = ""

    def _write(self, batch: Sequence[_Waiting[C]], connection: Connection) -> list[tuple[_Waiting[C], bool]]:
        live = [waiting for waiting in batch if waiting.begin()]
        return list(zip(live, self._apply(connection, [waiting.change for waiting in live]), strict=True))

    def _watch(self, deadline: float) -> None:
        """See to it that somebody looks at the clock then. One timer serves all: most are never needed."""
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(deadline, self._look_at_clock)

    def _look_at_clock(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        waiting = [one for one in (*self._writing, *self._queue) if not one.future.done()]
        for one in waiting:
            if one.deadline <= now:
                self._expire(one)
        if left := [one.deadline for one in waiting if not one.future.done()]:
            self._watch(min(left))

    def _expire(self, waiting: _Waiting[C]) -> None:
        if not self._trouble and waiting.limit < PATIENCE:
            waiting.deadline += PATIENCE - waiting.limit
            waiting.limit = PATIENCE
            return
        reason = f": {self._trouble}" if self._trouble else ""
        message = f"the delivery log could not be written within {waiting.limit:g} s{reason}"
        _settle(waiting, StoreUnavailable(message, undecided=waiting.begun))


def _settle(waiting: _Waiting[C], answer: bool | Exception) -> None:
    if waiting.future.done():
        return
    if isinstance(answer, Exception):
        waiting.future.set_exception(answer)
    else:
        waiting.future.set_result(answer)
