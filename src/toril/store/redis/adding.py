"""Jobs on their way into Redis. Ids are made here, before the first try: a repeated add is the same add."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from itertools import count
from typing import Any

from toril.errors import BudgetExceeded, QueueFull, StoreUnavailable
from toril.job import NewJob
from toril.json import dump
from toril.store.redis.keys import names_for

__all__ = ["add_arguments", "ids_or_error", "new_ids"]

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _LETTERS for b in _LETTERS]
_sequence = count(int.from_bytes(os.urandom(2), "big"))


def new_ids(number: int) -> list[str]:
    """Return ids of 20 characters that sort by time: milliseconds, a number within the process, randomness.

    The first is a letter, so that none is an integer: those belong to BullMQ's own counter, which overwrites.
    """
    stamp = _text(time.time_ns() // 1_000_000, 10)[1:]
    noise = int.from_bytes(os.urandom(4), "big")
    return [f"t{stamp}{_text(next(_sequence), 4)}{_text(noise + i, 6)}" for i in range(number)]


def _text(number: int, length: int) -> str:
    """Return the last digits of a number to the base 32: an even number of them."""
    pairs = [_PAIRS[number >> shift & 1023] for shift in range(5 * length - 10, -1, -10)]
    return "".join(pairs)


def add_arguments(prefix: str, jobs: Sequence[NewJob]) -> tuple[list[str], list[Any], list[str]]:
    """Return keys and arguments of `add.lua` for jobs, and the ids that they were given."""
    pairs: dict[str, int] = {}
    keys: list[str] = []
    arguments: list[Any] = []
    ids = new_ids(len(jobs))
    for number, job in enumerate(jobs):
        pair = pairs.get(job.queue)
        if pair is None:
            keys += names_for(prefix, job.queue).pair
            pair = pairs[job.queue] = len(pairs) + 1
        chosen = job.id is not None
        if job.id is not None:
            ids[number] = job.id
        arguments += (pair, ids[number], "1" if chosen else "", job.name, job.data, job.opts, job.priority, job.due)
        arguments.append(_more(job))
    return keys, arguments, ids


def _more(job: NewJob) -> str:
    """Return as JSON what few jobs have."""
    if not (job.lifo or job.dedup or job.charge or job.expires is not None):
        return ""
    more: dict[str, Any] = {"lifo": job.lifo}
    if job.dedup is not None:
        more["de"] = job.dedup.to_json()
    if job.charge is not None:
        more["charge"] = job.charge._asdict()
    if job.expires is not None:
        more["expires"] = job.expires
    return dump(more)


def ids_or_error(prefix: str, reply: Sequence[str], now: int) -> list[str]:
    """Return the ids that a script has added; raise what stood in the way."""
    if not reply or reply[0] != "":
        return list(reply)
    match reply[1:]:
        case ["full", place, length]:
            raise QueueFull(place.removeprefix(f"{prefix}:").removesuffix(":"), int(length))
        case ["spent", key, budget, free_at]:
            raise BudgetExceeded(key, budget, int(free_at), now)
    raise StoreUnavailable(f"Redis: an answer that makes no sense: {reply[:3]}")
