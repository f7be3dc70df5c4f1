"""A fixed interval."""

from __future__ import annotations

from dataclasses import dataclass

from toril.errors import InvalidSchedule


@dataclass(frozen=True, slots=True)
class Every:
    """Fires every `milliseconds`, in slots that lie `offset` milliseconds past the whole multiples since 1970.

    An offset of 0 lets a new schedule start at once; its first slot then fixes the offset (`anchored`).
    Raises InvalidSchedule naming the field and what was expected.
    """

    milliseconds: int
    offset: int = 0

    def __post_init__(self) -> None:
        for name, least in (("milliseconds", 1), ("offset", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise InvalidSchedule(
                    f"every: {name}: expected a whole number from {least} on, got {value!r}"
                )

    def next_after(self, ms: int) -> int:
        """Return the first slot after `ms`, both in epoch milliseconds."""
        return ms + self.milliseconds - (ms - self.offset) % self.milliseconds

    def first(self, now: int, start: int | None = None) -> int:
        """Return when a new schedule runs first: at `start` if given, else in the next slot, else now.

        All in epoch milliseconds; never before `now`.
        """
        if start is not None:
            return max(start, now)
        return self._slot(now) if self.offset else now

    def following(self, previous: int, now: int) -> int:
        """Return when to run after the slot `previous`: one interval later, or in the next slot if that is past.

        All in epoch milliseconds. Slots missed meanwhile are not made up for.
        """
        due = previous + self.milliseconds
        return due if due >= now else self._slot(now)

    def anchored(self, slot: int) -> Every:
        """Return this interval with its offset taken from `slot` (epoch milliseconds) if it has none yet."""
        return self if self.offset else Every(self.milliseconds, slot % self.milliseconds)

    def _slot(self, now: int) -> int:
        # BullMQ's own formula: unlike next_after it keeps an offset wider than the interval.
        slot = now - now % self.milliseconds + self.offset
        return slot if slot > now else slot + self.milliseconds
