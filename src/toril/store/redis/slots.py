"""Slots of a Cluster: a script reaches the keys of one slot, which a hash tag in their names puts them into."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from redis.crc import key_slot

from toril.errors import InvalidJob, StoreRefused
from toril.job import NewJob
from toril.store.redis.keys import Names, names_for

__all__ = ["by_slot", "require_hash_tag", "require_one_slot"]

_TAGS = "a prefix in braces (TORIL_PREFIX={bull}) puts all queues into one, a queue named {mail} is in one of its own"


def require_hash_tag(names: Names) -> None:
    """Raise StoreRefused if the keys of a queue lie in different slots."""
    if key_slot(names.base.encode()) != key_slot(names.own.encode()):
        raise StoreRefused(f"queue {names.queue}: in a Cluster a queue's keys must share a slot: {_TAGS}")


def require_one_slot(prefix: str, queues: Collection[str]) -> None:
    """Raise InvalidJob if queues lie in different slots."""
    if len({_slot(prefix, queue) for queue in queues}) > 1:
        raise InvalidJob(
            f"queues {', '.join(sorted(queues))}: in a Cluster the queues of a flow must share a slot: {_TAGS}"
        )


def by_slot(prefix: str, jobs: Sequence[NewJob]) -> list[list[int]]:
    """Return the places of jobs, in order, in groups whose queues share a slot."""
    groups: dict[int, list[int]] = {}
    for place, job in enumerate(jobs):
        groups.setdefault(_slot(prefix, job.queue), []).append(place)
    return list(groups.values())


def _slot(prefix: str, queue: str) -> int:
    return key_slot(names_for(prefix, queue).base.encode())
