"""`toril queues`, `failures`, `pause` and `resume`: how queues do, what fails in them, and whether they run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toril.cli.desk import App, AsJson, QueueName, at_store, body, document
from toril.cli.output import fail, printable, say, show_found, show_json
from toril.cli.verbs import Yes, agree
from toril.lasting import lasting
from toril.wording import number_of

if TYPE_CHECKING:
    from toril.web.auth import Principal
    from toril.web.desk import Desk

__all__ = ["failures", "pause", "queues", "resume"]


def queues(app: App = None, as_json: AsJson = False) -> None:
    """List the queues: what is in them, who serves them, how long the oldest job has waited.

    Example: toril queues --app shop.jobs:app
    """
    from toril.web.api.queues import QueueList, list_queues

    found = document(QueueList, at_store(app, lambda desk, _: list_queues(desk)))
    rows = [
        {
            "queue": line["name"],
            **{state: line["counts"][state] for state in ("ready", "active", "delayed", "failed")},
            "workers": line["workers"],
            "oldest": "" if line["oldest"] is None else " ".join(lasting(line["oldest"]).split()[:2]),
            "health": line["health"],
        }
        for line in found["queues"]
    ]
    show_found(rows, as_json=as_json, document=found, nothing="the store has no queues")


def failures(
    queue: QueueName,
    retry: Annotated[str | None, typer.Option(metavar="GROUP", help="Let the jobs of this group run again.")] = None,
    yes: Yes = False,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Group the failed jobs of a queue by what went wrong, the most frequent first; or retry those of one group.

    Example: toril failures emails; toril failures emails --retry 1f2e3d4c
    """
    from toril.web.api.queues import FailuresOut, get_failures
    from toril.web.words import ago

    if retry is not None:
        _retry_group(queue, retry, app, yes=yes, as_json=as_json)
        return
    found = document(FailuresOut, at_store(app, lambda desk, who: get_failures(desk, who, queue, whole=True)))
    now = time.time_ns() // 1_000_000
    rows = [
        {
            "group": group["id"],
            "last job": group["job_id"],
            "jobs": group["count"],
            "last": ago(group["last"], now),
            "task": group["task"],
            "failure": ": ".join(filter(None, (group["exception"], group["message"]))),
        }
        for group in found["groups"]
    ]
    show_found(rows, as_json=as_json, document=found, nothing=f"no job of {queue} has failed")
    if found["looked"] < found["total"]:
        typer.echo(f"the newest {found['looked']:,} of {found['total']:,} failed jobs were looked at", err=True)


def _retry_group(queue: str, group: str, app: str | None, *, yes: bool, as_json: bool) -> None:
    from toril.web.api.queues import Count, retry_failures

    agree(f"Retry all failed jobs of {printable(queue)} that are of group {printable(group)}?", yes=yes)
    done = document(Count, at_store(app, lambda desk, who: retry_failures(desk, who, queue, group)))
    if not done["count"]:
        fail(f"no failed job of {queue} is of group {group}")
    say(f"retried {number_of(done['count'], 'job')}", done, as_json=as_json)


def pause(
    queue: QueueName,
    why: Annotated[str, typer.Option(help="Why, for those who find it paused.")] = "",
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Let no more jobs of a queue be taken; those that run go on.

    Example: toril pause emails --why "the provider is down"
    """
    from toril.web.api.queues import PauseModel, pause

    reason = body(PauseModel, why=why)

    async def work(desk: Desk, who: Principal) -> dict[str, Any]:
        await pause(desk, who, queue, reason)
        return await _line(desk, queue)

    _show_line(at_store(app, work), as_json=as_json)


def resume(queue: QueueName, app: App = None, as_json: AsJson = False) -> None:
    """Let jobs of a queue be taken again."""
    from toril.web.api.queues import resume

    async def work(desk: Desk, who: Principal) -> dict[str, Any]:
        await resume(desk, who, queue)
        return await _line(desk, queue)

    _show_line(at_store(app, work), as_json=as_json)


async def _line(desk: Desk, queue: str) -> dict[str, Any]:
    from toril.web.overview import lines

    (line,) = await lines(desk.app, [queue])
    return line.model_dump(mode="json")


def _show_line(line: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(line)
        return
    paused = "is paused" if line["paused"] else "runs"
    ready, workers = number_of(line["counts"]["ready"], "job"), number_of(line["workers"], "worker")
    typer.echo(f"{printable(line['name'])} {paused}: {ready} ready, {workers}")
