"""Deduplication: of the jobs that share a key, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from toril.checks import span
from toril.errors import InvalidOption

__all__ = ["Dedup"]

LONGEST_ID = 255


@dataclass(frozen=True, slots=True)
class Dedup:
    """A job is not added while another one holds the key `id`: the job that holds it is returned instead.

    The key is free again when its job has ended, or with `ttl` when that time is over, whatever became of the job.

    id: text of 1 to 255 characters, within the queue.
    ttl: seconds or a timedelta.
    extend: each further add starts `ttl` again.
    replace: a job that is still delayed makes way: it is removed, and the new one with its own data and its own delay
        is added (debounce). One that is not delayed any more stays.
    keep_last: the last of the jobs added while the key's job runs is added when that has ended.

    Raises InvalidOption.
    """

    id: str
    ttl: float | timedelta | None = None
    extend: bool = False
    replace: bool = False
    keep_last: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not 1 <= len(self.id) <= LONGEST_ID:
            raise InvalidOption(f"dedup id: expected text of 1 to {LONGEST_ID} characters, got {self.id!r}")
        if self.ttl is not None:
            object.__setattr__(self, "ttl", span("dedup ttl", self.ttl))
        if self.extend and self.ttl is None:
            raise InvalidOption("dedup extend: expected a ttl to extend")
        if self.keep_last and self.ttl is not None:
            raise InvalidOption("dedup keep_last: expected no ttl, the key is held until its job has ended")

    @property
    def milliseconds(self) -> int | None:
        """The `ttl` in milliseconds."""
        assert not isinstance(self.ttl, timedelta)
        return None if self.ttl is None else round(self.ttl * 1000)

    def to_json(self) -> dict[str, Any]:
        """Return BullMQ's form (`de` of a job's options)."""
        body: dict[str, Any] = {"id": self.id}
        if self.ttl is not None:
            body["ttl"] = self.milliseconds
        for name, flag in (("extend", self.extend), ("replace", self.replace), ("keepLastIfActive", self.keep_last)):
            if flag:
                body[name] = True
        return body
