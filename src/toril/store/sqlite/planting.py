"""Trees of jobs come into the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from toril.errors import BudgetExceeded, QueueFull, WrongState
from toril.job import FAILURE_FLAGS, NewJob, Node
from toril.options import Policy
from toril.store.runs import Run
from toril.store.sqlite.flows import PENDING, PROCESSED, release
from toril.store.sqlite.transaction import COMPLETED, DELAYED, WAITING_CHILDREN, Row, Transaction

__all__ = ["add_flow", "plant"]


class _Seed(NamedTuple):
    """A node and the row of its job, which may be there already; `parent`: the row of its parent."""

    job: NewJob
    row: int
    parent: int | None
    found: Row | None


def add_flow(tx: Transaction, nodes: Sequence[Node], parent: tuple[str, Run] | None) -> list[str]:
    """Insert trees of jobs, below a run if one is given; return their ids in order."""
    if parent is None:
        return plant(tx, nodes, None)
    queue, run = parent
    if not tx.rows("run_is_current", row=run.token, run=run.number, queue=tx.queue(queue)):
        raise WrongState(f"job {run.id}: this run of it is over and adds no children")
    return plant(tx, nodes, int(run.token))


def plant(tx: Transaction, nodes: Sequence[Node], top: int | None) -> list[str]:
    """Insert trees of jobs whose roots are children of the job `top`, if given; all is checked before a write."""
    seeds = _seeds(tx, nodes, top)
    sown = [seed for seed in seeds if seed is not None]
    families = Counter(seed.parent for seed in sown if seed.parent is not None)
    _insert(tx, [seed for seed in sown if seed.found is None], families)
    _link(tx, (seed for seed in sown if seed.parent is not None))
    if top is not None:
        tx.run("more_children", row=top, count=families[top])
    for parent in {seed.parent for seed in sown if seed.found is not None and seed.parent is not None}:
        release(tx, parent)  # all its children may have been there, completed
    return [node.job.id or (str(seed.row) if seed else "") for node, seed in zip(nodes, seeds, strict=True)]


def _seeds(tx: Transaction, nodes: Sequence[Node], top: int | None) -> list[_Seed | None]:
    """Return a seed a node; None for a node below a job that is there, and for one that comes twice."""
    seeds: list[_Seed | None] = []
    named: dict[tuple[str, str], _Seed] = {}
    for number, (job, above) in enumerate(nodes, tx.numbers(len(nodes))):
        over = None if above is None else seeds[above]
        if above is not None and (over is None or over.found is not None):
            seeds.append(None)
            continue
        parent = top if over is None else over.row
        twin = named.get((job.queue, job.id or ""))
        if twin is not None:
            if twin.parent != parent:
                raise _taken(job)
            seeds.append(None)
            continue
        found = _find(tx, job, parent, top) if job.id is not None else None
        seeds.append(seed := _Seed(job, found[0] if found else number, parent, found))
        if job.id is not None:
            named[job.queue, job.id] = seed
    return seeds


def _find(tx: Transaction, job: NewJob, parent: int | None, top: int | None) -> Row | None:
    """Return the job that has a node's own id; raise WrongState if it cannot become a child of `parent`."""
    rows = tx.rows("job_to_adopt", queue=tx.queue(job.queue), key=job.id)
    if not rows or parent is None:
        return rows[0] if rows else None
    row, other, *_, other_exists = rows[0]
    if other_exists and other != parent:
        raise _taken(job)
    while top is not None:
        if top == row:
            raise WrongState(f"job {job.id} of queue {job.queue} cannot wait for itself")
        top = next((found[0] for found in tx.rows("parent_of", row=top)), None)
    return rows[0]


def _taken(job: NewJob) -> WrongState:
    return WrongState(f"job {job.id} of queue {job.queue} is a child of another job already")


def _insert(tx: Transaction, seeds: list[_Seed], families: Mapping[int, int]) -> None:
    """Insert new jobs; those that have children wait for them, and their delay and priority count from there."""
    counts: dict[str, Counter[int]] = {}
    ids: dict[str, list[str]] = {}
    rows: list[Row] = []
    for job, number, parent, _ in seeds:
        if families[number]:
            state, rank = WAITING_CHILDREN, tx.now
        elif job.due > tx.now:
            state, rank = DELAYED, job.due
        else:
            state, rank = tx.ready_place(job.priority, number, front=job.lifo)
        place = (number, tx.queue(job.queue), state, rank)
        rows.append((*place, job.id, job.name, job.data, job.opts, job.priority, tx.now, parent, families[number]))
        counts.setdefault(job.queue, Counter())[state] += 1
        ids.setdefault(job.queue, []).append(job.id or str(number))
    _keep_bounds(tx, counts, [job for job, *_ in seeds])
    tx.many("insert_node", rows)
    tx.many(
        "set_expiry", [(tx.queue(job.queue), job.expires, row) for job, row, *_ in seeds if job.expires is not None]
    )
    for name, changes in counts.items():
        queue = tx.queue(name)
        tx.count(queue, changes)
        tx.tell_all(queue, "added", ids[name])
        tx.ready.add(queue)


def _keep_bounds(tx: Transaction, counts: Mapping[str, Mapping[int, int]], jobs: Sequence[NewJob]) -> None:
    """Charge jobs to their budgets; raise, before anything is written, if one is spent or a queue has no room."""
    for name, changes in counts.items():
        queue = tx.queue(name)
        limit = tx.limits.get(queue)
        more = sum(count for state, count in changes.items() if state != WAITING_CHILDREN)  # those have no place yet
        if limit is not None and more and tx.rows("queue_length", queue=queue)[0][0] + more > limit:
            raise QueueFull(name, limit)
    charges = [(tx.queue(job.queue), job.charge) for job in jobs if job.charge is not None]
    for (queue, charge), cost in Counter(charges).items():
        found = tx.rows("read_budget", queue=queue, key=charge.key, now=tx.now)
        used, until = found[0] if found else (0, tx.now + charge.per)
        if used + cost > charge.limit:
            raise BudgetExceeded(charge.key, charge.budget, until, tx.now)
    for queue, charge in charges:
        tx.run("spend", queue=queue, key=charge.key, now=tx.now, until=tx.now + charge.per)


def _link(tx: Transaction, seeds: Iterable[_Seed]) -> None:
    """Let parents wait for their children, but not for one that was there and is completed."""
    links: list[Row] = []
    for job, row, parent, found in seeds:
        policy = FAILURE_FLAGS.get(Policy.from_json(job.opts).if_failed)
        name, done, result = job.name, False, None
        if found is not None:
            tx.many("adopt", [(parent, row)])
            name, done, result = found[3], found[2] == COMPLETED, found[4]
        state = PROCESSED if done else PENDING
        links.append((parent, row, state, policy, tx.queue(job.queue), job.id, name, result if done else None))
    tx.many("insert_child", links)
