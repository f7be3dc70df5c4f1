"""A circuit breaker: a transport that keeps failing is left alone for a while."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from toril.log import MAIL_TRANSPORT_CLOSED, MAIL_TRANSPORT_OPEN
from toril.messaging.transport.base import Begin, Envelope, NotNow, NotSent, Transport, Undecided

__all__ = ["Breaker", "BreakerState", "Health"]

FAILURES = 5
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 300.0  # seconds
_PROBED = 1.0  # seconds that the others wait while one mail tries

BreakerState = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True)
class Health:
    """How a transport does. failures: in a row. opens_in: seconds until it is tried again, while `open`."""

    transport: str
    state: BreakerState
    failures: int
    opens_in: float | None
    last_error: str | None


class Breaker:
    """Opens after `failures` mails in a row that failed for the transport's fault, whatever the mail: no connection,
    a refused login, a timeout. While it is open nothing is tried (NotNow). After `pause` seconds it is half open: one
    mail tries, and closes it, or opens it for twice as long, 5 minutes at most.
    """

    def __init__(self, transport: Transport, *, failures: int = FAILURES, pause: float = FIRST_PAUSE) -> None:
        self._transport, self._bound, self._pause = transport, failures, pause
        self._failures = 0
        self._openings = 0
        self._open_until: float | None = None
        self._probing = False
        self._last_error: str | None = None

    def __repr__(self) -> str:
        return repr(self._transport)

    @property
    def limit(self) -> float:
        """That of the transport."""
        return self._transport.limit

    def parts(self) -> list[Transport]:
        """Return the transport that it guards."""
        return [self._transport]

    def health(self) -> list[Health]:
        """Return how the transport does."""
        left = self._left()
        state: BreakerState = "closed" if left is None else "open" if left > 0 else "half-open"
        opens_in = left if state == "open" else None
        return [Health(repr(self._transport), state, self._failures, opens_in, self._last_error)]

    async def send(self, envelope: Envelope, begin: Begin) -> str:
        """See `Transport.send`; raises NotNow while it is open."""
        probe = self._admit()
        try:
            reply = await self._transport.send(envelope, begin)
        except Undecided as undecided:
            self._failed(undecided.code)
            raise
        except NotSent as refused:
            # Whoever refuses a mail is there.
            self._failed(refused.code) if refused.unreachable else self._worked()
            raise
        else:
            self._worked()
            return reply
        finally:
            if probe:
                self._probing = False

    async def close(self) -> None:
        """Close the transport."""
        await self._transport.close()

    def _admit(self) -> bool:
        """Return whether this mail is the probe of a half-open breaker; raise NotNow."""
        left = self._left()
        if left is None:
            return False
        if left > 0 or self._probing:
            raise NotNow(max(left, _PROBED), f"{self._transport!r} failed {self._failures} times: {self._last_error}")
        self._probing = True
        return True

    def _left(self) -> float | None:
        return None if self._open_until is None else self._open_until - time.monotonic()

    def _failed(self, code: str) -> None:
        self._failures += 1
        self._last_error = code
        left = self._left()
        if self._failures < self._bound or (left is not None and left > 0):
            return
        pause = min(self._pause * 2.0 ** min(self._openings, 30), LONGEST_PAUSE)
        self._openings += 1
        self._open_until = time.monotonic() + pause
        MAIL_TRANSPORT_OPEN(transport=self._transport, failures=self._failures, retry_in=pause, error=code)

    def _worked(self) -> None:
        if self._open_until is not None:
            MAIL_TRANSPORT_CLOSED(transport=self._transport)
        self._failures = self._openings = 0
        self._open_until = self._last_error = None
