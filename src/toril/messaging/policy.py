"""How often a message is tried, and how soon again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from toril import Exponential, Fixed
from toril.checks import whole
from toril.errors import InvalidOption

__all__ = ["LOWEST_PRIORITY", "Policies", "Policy"]

LOWEST_PRIORITY = 2**21 - 1
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Policy:
    """attempts: tries at most, the first included. backoff: the seconds between them.

    By default a server may put a mail off for more than a day: after 1, 2, 4 … minutes, then every four hours.
    priority: of its jobs; None: that of the message type.
    """

    attempts: int = 16
    backoff: Fixed | Exponential = Exponential(60.0, jitter=0.2, maximum=4 * _HOUR)  # noqa: RUF009  (frozen)
    priority: int | None = None

    def changed(
        self, attempts: int | None = None, backoff: Fixed | Exponential | None = None, priority: int | None = None
    ) -> Policy:
        """Return it with what is given; raise InvalidOption."""
        changes: dict[str, object] = {}
        if attempts is not None:
            changes["attempts"] = whole(1, 1000)("attempts", attempts)
        if backoff is not None:
            changes["backoff"] = _backoff(backoff)
        if priority is not None:
            changes["priority"] = whole(0, LOWEST_PRIORITY)("priority", priority)
        return replace(self, **changes)  # type: ignore[arg-type]  # checked above


def _backoff(value: object) -> Fixed | Exponential:
    if not isinstance(value, (Fixed, Exponential)):
        raise InvalidOption(f"backoff: expected Fixed(…) or Exponential(…), got {value!r}")
    return value


class Policies:
    """The policy of each message type: the mailer's own, unless one was set for it."""

    def __init__(self, usual: Policy) -> None:
        self._usual = usual
        self._own: dict[str, Policy] = {}

    def set(self, name: str, policy: Policy) -> None:
        """Give the type of that name a policy of its own."""
        self._own[name] = policy

    def of(self, name: str) -> Policy:
        """Return the policy of the type of that name."""
        return self._own.get(name, self._usual)
