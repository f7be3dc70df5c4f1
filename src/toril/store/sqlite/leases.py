"""Workers and their leases: one row for each worker, however many jobs it holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toril.json import decode, dump
from toril.store.runs import Extended, Run
from toril.store.sqlite.cancelling import wishes
from toril.store.sqlite.transaction import Transaction
from toril.store.views import LiveWorker, RunningJob, WorkerInfo

__all__ = ["boot_id", "enrol", "extend", "leave", "live"]


def boot_id() -> str:
    """Return what tells this boot of the machine from another; monotonic times compare only within one."""
    file = Path("/proc/sys/kernel/random/boot_id")
    return file.read_text(encoding="ascii").strip() if file.exists() else ""


def enrol(tx: Transaction, worker: WorkerInfo, boot: str) -> str:
    """Enter a worker whose lease begins now."""
    number: int = tx.rows("enrol", **_columns(tx, worker, boot))[0][0]
    return str(number)


def extend(tx: Transaction, number: str, worker: WorkerInfo, boot: str, runs: Sequence[Run]) -> Extended:
    """Let the lease count from now, also one that had run out; return what has become of the runs meanwhile."""
    if not tx.run("beat", worker=int(number), beat=tx.monotonic).rowcount:
        tx.run("enrol_again", worker=int(number), **_columns(tx, worker, boot))
    lost = set(tx.rows("lost_runs", runs=dump([[run.token, run.number] for run in runs])))
    return Extended([run for run in runs if (run.token, run.number) in lost], wishes(tx, runs))


def leave(tx: Transaction, number: str) -> None:
    """Forget a worker."""
    tx.run("leave", worker=int(number))


def live(tx: Transaction, boot: str) -> list[LiveWorker]:
    """Return the workers whose lease holds, with what each runs."""
    runs: dict[int, list[RunningJob]] = {}
    for worker, *job in tx.rows("running_jobs"):
        runs.setdefault(worker, []).append(RunningJob(*job))
    found = []
    for row, name, host, pid, lease, queues, beat in tx.rows("live_workers", boot=boot, monotonic=tx.monotonic):
        info = WorkerInfo(name, host, pid, lease, decode(queues))
        held = sorted(runs.get(row, []), key=lambda run: run.since)
        found.append(LiveWorker(str(row), info, tx.monotonic - beat, held))
    return found


def _columns(tx: Transaction, worker: WorkerInfo, boot: str) -> dict[str, object]:
    return {
        "name": worker.name,
        "host": worker.host,
        "pid": worker.pid,
        "boot": boot,
        "beat": tx.monotonic,
        "lease": worker.lease,
        "queues": dump(dict(worker.queues)),
    }
