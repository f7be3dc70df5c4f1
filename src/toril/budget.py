"""Budgets: how many jobs may be added within a time, in all or for each value of a key."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, NamedTuple

from toril.checks import span, whole
from toril.errors import InvalidOption
from toril.json import decode
from toril.lasting import lasting

__all__ = ["Budget", "Charge"]

_PATH = re.compile(r"data(\.[^.]+)+")


class Charge(NamedTuple):
    """What one job costs: 1 of the budget under `key`, which `limit` jobs may share in `per` milliseconds."""

    key: str
    limit: int
    per: int
    budget: str  # the budget in words


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` jobs are added in `per` (seconds or a timedelta), counted from the first of them.

    key: a path into the data, such as `data.user_id`: each of its values has a budget of its own; None: one for all.
    On a task it counts that task's jobs; on a queue, those of the queue whose tasks have no budget of their own.

    Raises InvalidOption.
    """

    limit: int
    per: float | timedelta
    key: str | None = None
    task: str = field(default="", init=False, repr=False)

    def __post_init__(self) -> None:
        whole(1)("budget limit", self.limit)
        object.__setattr__(self, "per", span("budget per", self.per))
        if self.key is not None and not (isinstance(self.key, str) and _PATH.fullmatch(self.key)):
            raise InvalidOption(f"budget key: expected a path such as data.user_id, got {self.key!r}")

    def __str__(self) -> str:
        assert isinstance(self.per, float)
        return f"{self.limit:,} per {lasting(self.per)}"

    @property
    def argument(self) -> str | None:
        """The name with which the path into the data begins."""
        return self.key.split(".")[1] if self.key else None

    def of(self, task: str) -> Budget:
        """Return this budget as a task's own."""
        own = replace(self)
        object.__setattr__(own, "task", task)
        return own

    def charge(self, data: str) -> Charge:
        """Return what a job with these data (JSON) costs; raise InvalidOption if the key names no single value."""
        words = [self.task] if self.task else []
        if self.key:
            words.append(f"{self.key}={self._value(decode(data))}")
        assert isinstance(self.per, float)
        return Charge(" ".join(words) or "all jobs", self.limit, round(self.per * 1000), str(self))

    def _value(self, data: Any) -> Any:
        """Return what the key names; what is not there counts as None."""
        assert self.key is not None
        for name in self.key.split(".")[1:]:
            data = data.get(name) if isinstance(data, dict) else None
        if isinstance(data, (dict, list)):
            raise InvalidOption(
                f"budget key {self.key}: expected text, a number or a flag there, got {type(data).__name__}"
            )
        return data
