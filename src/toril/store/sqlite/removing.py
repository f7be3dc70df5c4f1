"""Jobs go: one by one, by age, or all that a queue has."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter

from toril.errors import WrongState
from toril.job import JobState
from toril.json import dump
from toril.store.sqlite import flows
from toril.store.sqlite.control import STATES, get, place
from toril.store.sqlite.transaction import ACTIVE, Row, Transaction
from toril.store.views import Cleaned

__all__ = ["clean", "obliterate", "remove", "remove_children"]

LOOK = 1_000  # jobs that one clean looks at
_ENDED = (JobState.COMPLETED, JobState.FAILED)


def remove(tx: Transaction, name: str, job_ids: Sequence[str], children: bool, boot: str) -> list[str]:
    """Remove jobs by id, with what is below them or alone; none that a live worker runs or a schedule waits for."""
    trees: dict[int, Row] = {}
    done = []
    for job_id in dict.fromkeys(job_ids):
        if (job := get(tx, name, job_id)) is None:
            continue
        tree = tx.rows("removal", row=job.token, whole=children, boot=boot, monotonic=tx.monotonic)
        if not any(runs or awaited for *_, runs, awaited in tree):
            trees |= {row: found for found in tree if (row := found[2]) not in trees}
            done.append(job.id)
    _remove_all(tx, trees.values())
    return done


def remove_children(tx: Transaction, name: str, job_id: str, boot: str) -> int | None:
    """Remove the children that a job waits for and that have not begun, and theirs."""
    job = get(tx, name, job_id)
    if job is None:
        return None
    below = tx.rows("unprocessed", row=job.token, boot=boot, monotonic=tx.monotonic)
    _remove_all(tx, below)
    return len(below)


def _remove_all(tx: Transaction, jobs: Iterable[Row]) -> None:
    """Remove jobs, given as (depth, queue, row, state, id, …), and tell of each, children first."""
    deepest_first = sorted(jobs, key=itemgetter(0), reverse=True)
    _gone(tx, [(tx.queue(name), row, state) for _, name, row, state, *_ in deepest_first])
    for name, told in groupby(deepest_first, key=itemgetter(1)):
        tx.tell_all(tx.queue(name), "removed", [[job[4], STATES[job[3]]] for job in told])


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
    _gone(tx, [(queue, found[0], number) for found in old])
    if old:
        tx.tell(queue, "cleaned", dump([[len(old)]]))
    last = old[-1] if len(old) == limit else seen[-1] if len(seen) == look else None
    return Cleaned([found[1] for found in old], f"{last[2]}.{last[0]}" if last else None)


def obliterate(tx: Transaction, name: str, force: bool) -> int:
    """Remove up to 1,000 jobs of a paused queue, whatever their state; then what else it has."""
    if tx.find_queue(name) is None:
        return 0
    queue = tx.queue(name)  # and with it, whether its jobs may hold keys
    counts = tx.rows("read_queue", queue=queue)[0]
    if counts[7] is None:
        raise WrongState(f"queue {name} is not paused: pause it first, so that nothing is taken meanwhile")
    if counts[ACTIVE] and not force:
        raise WrongState(f"queue {name} has {counts[ACTIVE]} active jobs: wait for their end, or use force")
    rows = tx.rows("any_jobs", queue=queue)
    _gone(tx, [(queue, row, state) for row, state in rows])
    if not rows:
        tx.run("remove_schedules", queue=queue)
        tx.run("remove_metrics", queue=queue)
        tx.forget(name, queue)
    return len(rows)


def _gone(tx: Transaction, jobs: Sequence[tuple[int, int, int]]) -> None:
    """Remove jobs, given as queue, row and state, with logs and deduplication keys; nobody waits for them any more."""
    if not jobs:
        return
    rows = dump([row for _, row, _ in jobs])
    removed = tx.rows("remove_jobs", rows=rows)
    if tx.keyed:
        tx.run("forget_dedups_of", rows=rows)
    states: dict[int, Counter[int]] = defaultdict(Counter)
    for queue, _, state in jobs:
        states[queue][state] -= 1
    for queue, changes in states.items():
        tx.count(queue, changes)
    flows.forget(tx, removed)
