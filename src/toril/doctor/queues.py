"""Queues that nobody serves, and queues that keep all that has ever ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from toril.finding import Finding
from toril.job import JobState
from toril.options import Policy
from toril.wording import number_of

if TYPE_CHECKING:
    from toril.app import Toril
    from toril.store.views import QueueInfo

__all__ = ["look_at_queues"]

MANY = 10_000  # finished jobs; Toril's own default keeps less
_ENDED = {JobState.COMPLETED: "removeOnComplete", JobState.FAILED: "removeOnFail"}


async def look_at_queues(app: Toril) -> list[Finding]:
    """Look at every queue of the store."""
    served = {queue for worker in await app.store.workers() for queue in worker.info.queues}
    found: list[Finding] = []
    names = await app.store.queues()
    for name in names:
        info = await app.store.info(name)
        if name in app.served_queues() and name not in served:
            found += _unserved(name, info)
        for state in _ENDED:
            if info.counts[state] > MANY and await _keeps_all(app, name, state):
                found.append(_growing(name, info, state))
    return found or [Finding("queues", "ok", f"{len(names)}, each served and bounded")]


def _unserved(name: str, info: QueueInfo) -> Iterator[Finding]:
    ready = info.counts[JobState.WAITING] + info.counts[JobState.PRIORITIZED]
    if ready:
        yield Finding(
            f"queue {name}", "wrong", f"{number_of(ready, 'job')} ready, no worker serves it", "start toril worker"
        )


def _growing(name: str, info: QueueInfo, state: JobState) -> Finding:
    advice = f"it grows without bound: whoever adds these jobs should set {_ENDED[state]} ({{ count: 1000 }})"
    return Finding(f"queue {name}", "wrong", f"all of its {info.counts[state]:,} {state} jobs are kept", advice)


async def _keeps_all(app: Toril, name: str, state: JobState) -> bool:
    """Return whether the newest job of a state is kept for ever, as BullMQ does unless told otherwise."""
    page = await app.store.list(name, state, 1, None, newest=True)
    for job in page.jobs:
        try:
            policy = Policy.from_json(job.opts)
        except ValueError:
            return False
        keep = policy.keep_completed if state is JobState.COMPLETED else policy.keep_failed
        return keep.count is None and keep.age is None
    return False
