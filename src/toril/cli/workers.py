"""`toril workers`: who runs jobs now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toril.cli.desk import App, AsJson, at_store, document
from toril.cli.output import show_found
from toril.lasting import lasting

__all__ = ["workers"]


def workers(app: App = None, as_json: AsJson = False) -> None:
    """List the workers that are alive, with their slots and what they run; exit code 1 if there is none."""
    from toril.web.api.workers import WorkerList, list_workers

    found = document(WorkerList, at_store(app, lambda desk, _: list_workers(desk)))
    rows = [_node_row(worker) if worker["nodes"] else _row(worker) for worker in found["workers"]]
    show_found(rows, as_json=as_json, document=found, nothing="no worker is alive")


def _row(worker: Mapping[str, Any]) -> dict[str, str]:

    return {
        "host": worker["host"],
        "pid": str(worker["pid"]),
        "runs": f"{len(worker['runs'])} of {sum(worker['queues'].values())}",
        "last heard": f"{lasting(worker['age'])} ago",
        "queues": ", ".join(f"{name}={slots}" for name, slots in worker["queues"].items()),
    }


def _node_row(worker: Mapping[str, Any]) -> dict[str, str]:
    """Return what is known of BullMQ's workers of one queue and name: they are connected, and what they run."""
    return {
        "host": worker["host"],
        "pid": f"{worker['nodes']} of Node{': ' + worker['name'] if worker['name'] else ''}",
        "runs": str(len(worker["runs"])),
        "last heard": "connected",
        "queues": ", ".join(worker["queues"]),
    }
