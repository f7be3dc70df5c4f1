"""Jobs go: one by one, by age, or all that a queue has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from toril.errors import WrongState
from toril.job import JobRecord, JobState
from toril.json import dump
from toril.store.base import Cleaned
from toril.store.sqlite import flows
from toril.store.sqlite.control import STATES, get, place
from toril.store.sqlite.transaction import ACTIVE, Transaction

__all__ = ["clean", "obliterate", "remove"]

LOOK = 1_000  # jobs that one clean looks at
_ENDED = (JobState.COMPLETED, JobState.FAILED)


def remove(tx: Transaction, name: str, job_ids: Sequence[str], boot: str) -> list[str]:
    """Remove jobs by id, but none that a live worker runs and none that a schedule waits for."""
    queue = tx.queue(name)
    found = [job for job_id in dict.fromkeys(job_ids) if (job := get(tx, name, job_id)) and _removable(tx, job, boot)]
    _gone(tx, queue, {int(job.token): STATES.index(job.state) for job in found})
    tx.tell_all(queue, "removed", [[job.id, job.state] for job in found])
    return [job.id for job in found]


def _removable(tx: Transaction, job: JobRecord, boot: str) -> bool:
    if job.state is JobState.ACTIVE:
        return bool(tx.rows("run_is_abandoned", row=job.token, boot=boot, monotonic=tx.monotonic))
    return job.tick is None or job.starts > 0


def clean(tx: Transaction, name: str, state: JobState, before: int, limit: int, after: str | None) -> Cleaned:
    """Remove old jobs of a state, the first in its order first; look at 1,000 at most."""
    queue, number = tx.queue(name), STATES.index(state)
    rank, row = place(after, newest=False)
    ended = state in _ENDED
    look = limit if ended else LOOK
    seen = tx.rows(
        "old_ended_jobs" if ended else "old_pending_jobs",
        queue=queue, state=number, before=before, rank=rank, row=row, limit=look,
    )  # fmt: skip
    old = [found for found in seen if found[3]][:limit]
    _gone(tx, queue, {found[0]: number for found in old})
    if old:
        tx.tell(queue, "cleaned", dump([[len(old)]]))
    last = old[-1] if len(old) == limit else seen[-1] if len(seen) == look else None
    return Cleaned([found[1] for found in old], f"{last[2]}.{last[0]}" if last else None)


def obliterate(tx: Transaction, name: str, force: bool) -> int:
    """Remove up to 1,000 jobs of a paused queue, whatever their state; then what else it has."""
    queue = tx.find_queue(name)
    if queue is None:
        return 0
    counts = tx.rows("read_queue", queue=queue)[0]
    if counts[7] is None:
        raise WrongState(f"queue {name} is not paused: pause it first, so that nothing is taken meanwhile")
    if counts[ACTIVE] and not force:
        raise WrongState(f"queue {name} has {counts[ACTIVE]} active jobs: wait for their end, or use force")
    rows = tx.rows("any_jobs", queue=queue)
    _gone(tx, queue, dict(rows))
    if not rows:
        tx.run("remove_schedules", queue=queue)
        tx.run("remove_metrics", queue=queue)
        tx.run("forget_queue", queue=queue)
    return len(rows)


def _gone(tx: Transaction, queue: int, states: dict[int, int]) -> None:
    """Remove jobs, given as row and state, with logs and deduplication keys; nobody waits for them any more."""
    if states:
        removed = tx.rows("remove_jobs", rows=dump(list(states)))
        if queue in tx.keyed:
            tx.run("forget_dedups_of", rows=dump(list(states)))
        tx.count(queue, {state: -count for state, count in Counter(states.values()).items()})
        flows.forget(tx, removed)
