"""A fixed interval."""

from __future__ import annotations

from dataclasses import dataclass

from toril.errors import InvalidSchedule


@dataclass(frozen=True, slots=True)
class Every:
    """Fires every `milliseconds`, in slots `offset` milliseconds past the multiples counted from 1970.

    An offset of 0 is none: a new schedule starts at once and takes its offset from there (`anchored`).
    Raises InvalidSchedule naming the field and what was expected.
    """

    milliseconds: int
    offset: int = 0

    def __post_init__(self) -> None:
        for name, least in (("milliseconds", 1), ("offset", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise InvalidSchedule(f"every: {name}: expected a whole number from {least} on, got {value!r}")

    def next_after(self, ms: int) -> int:
        """Return the first slot after `ms`, both in epoch milliseconds."""
        return ms + self.milliseconds - (ms - self.offset) % self.milliseconds

    def first(self, now: int, start: int | None = None) -> int:
        """Return when a new schedule runs first: at `start`, else in the next slot, else (no offset) `now`.

        All in epoch milliseconds; never before `now`.
        """
        if start is not None:
            return max(start, now)
        return self._slot_after(now) if self.offset else now

    def following(self, previous: int, now: int) -> int:
        """Return when to run after `previous`: one interval later, or in the next slot if that is past.

        All in epoch milliseconds. Slots missed meanwhile are not made up for.
        """
        due = previous + self.milliseconds
        return due if due >= now else self._slot_after(now)

    def anchored(self, slot: int) -> Every:
        """Return this interval with an offset; if it has none, that of `slot` (epoch milliseconds)."""
        return self if self.offset else Every(self.milliseconds, slot % self.milliseconds)

    def _slot_after(self, now: int) -> int:
        # As BullMQ has it: unlike in next_after, an offset wider than the interval delays the start.
        slot = now - now % self.milliseconds + self.offset
        return slot if slot > now else slot + self.milliseconds
