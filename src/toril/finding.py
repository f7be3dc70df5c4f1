"""What a look at a part of the system has found: the words of `toril doctor` and of a worker's start."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Finding"]


class Finding(NamedTuple):
    """One thing that was looked at; `advice` says what to do if it is wrong, or why nobody could tell (unknown)."""

    part: str
    verdict: Literal["ok", "wrong", "unknown"]
    found: str
    advice: str = ""
