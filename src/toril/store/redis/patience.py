"""How long an answer is waited for: the silence of the other side counts, not the standstill of our own loop."""

from __future__ import annotations

import asyncio
from types import TracebackType

__all__ = ["LIMIT", "SILENCE", "Patience"]

LIMIT = 1.0  # seconds that a call, or a connection, may take
SILENCE = LIMIT / 4  # seconds after which another one is asked who serves what
TURN = 0.05  # seconds by which a timer of a loop that turns may be late


class Patience:
    """`with Patience(seconds):` raises TimeoutError in a block that waits for longer.

    A loop that stood still, because somebody blocked it or for want of a processor, has not looked at what came in
    meanwhile. It gets once as long as it was late to find the answer that may lie there. seconds: None for ever.
    """

    __slots__ = ("_before", "_late", "_loop", "_over", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._late = self._over = False

    def __enter__(self) -> None:
        if self._seconds is not None:
            self._task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
            self._before = self._task.cancelling() if self._task else 0
            self._timer = self._loop.call_later(self._seconds, self._end)

    def _end(self) -> None:
        assert self._timer is not None
        assert self._task is not None
        late = self._loop.time() - self._timer.when()
        if late > TURN and not self._late:
            self._late = True
            self._timer = self._loop.call_later(min(late, self._seconds or 0), self._end)
        else:
            self._over = True
            self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._over and self._task and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error
