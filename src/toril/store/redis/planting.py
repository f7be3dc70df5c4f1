"""Trees of jobs on their way to `flow.lua`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toril.errors import WrongState
from toril.job import FAILURE_FLAGS, Node
from toril.json import dump
from toril.options import Policy
from toril.store.redis.adding import ids_or_error, new_ids
from toril.store.redis.keys import names_for
from toril.store.runs import Run

__all__ = ["flow_arguments", "planted"]


def flow_arguments(
    prefix: str, nodes: Sequence[Node], run: tuple[str, Run] | None, *, leaves: bool
) -> tuple[list[str], list[Any]]:
    """Return keys of `flow.lua`, and its arguments behind the first two."""
    pairs: dict[str, int] = {}
    keys: list[str] = []

    def pair(queue: str) -> int:
        if queue not in pairs:
            keys.extend(names_for(prefix, queue).pair)
            pairs[queue] = len(pairs) + 1
        return pairs[queue]

    arguments: list[Any] = ["", "", ""]
    if run is not None:
        pair(run[0])
        arguments = [run[1].id, run[1].number, run[1].token]
    arguments.append("1" if leaves else "")
    ids = [node.job.id or made for node, made in zip(nodes, new_ids(len(nodes)), strict=True)]
    places = [(names_for(prefix, node.job.queue).base.removesuffix(":"), ids[i]) for i, node in enumerate(nodes)]
    for number, (job, above) in enumerate(nodes):
        parent = places[above] if above is not None else run and (f"{prefix}:{run[0]}", run[1].id)
        policy = Policy.from_json(job.opts)
        more = {
            "lifo": job.lifo,
            "charge": job.charge._asdict() if job.charge else None,
            "expires": job.expires,
            "flag": FAILURE_FLAGS.get(policy.if_failed),
        }
        opts = f"{job.opts[:-1]},{dump({'parent': {'id': parent[1], 'queue': parent[0]}})[1:]}" if parent else job.opts
        arguments += (pair(job.queue), ids[number], "1" if job.id is not None else "", job.name, job.data, opts)
        arguments += (job.priority, job.due, dump({k: v for k, v in more.items() if v is not None}))
        arguments.append("" if above is None else above + 1)
    return keys, arguments


def planted(prefix: str, reply: Sequence[str], now: int, run: Run | None) -> list[str]:
    """Return the ids of a flow; raise what stood in the way."""
    if len(reply) > 1 and reply[0] == "" and reply[1] in {"over", "wrong"}:
        if reply[1] == "over":
            raise WrongState(f"job {run.id if run else ''}: this run of it is over and adds no children")
        _, _, place, job_id, why = reply
        queue = place.removeprefix(f"{prefix}:").removesuffix(":")
        raise WrongState(f"job {job_id} of queue {queue}{why}")
    if len(reply) > 1 and reply[0] == "" and reply[1] in {"full", "spent"}:
        return ids_or_error(prefix, reply, now)
    return list(reply)
