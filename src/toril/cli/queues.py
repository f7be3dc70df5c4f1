"""`toril queues`, `failures`, `pause`, `resume` and `clean`: how queues do, and what is done to a whole one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toril.cli.desk import App, AsJson, QueueName, at_store, body, document
from toril.cli.output import printable, show_found, show_json
from toril.cli.verbs import Yes, agree
from toril.errors import InvalidOption
from toril.filter import span
from toril.job import JobState
from toril.lasting import lasting
from toril.wording import number_of

if TYPE_CHECKING:
    from toril.web.auth import Principal
    from toril.web.desk import Desk

__all__ = ["clean", "failures", "pause", "queues", "resume"]


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


def failures(queue: QueueName, app: App = None, as_json: AsJson = False) -> None:
    """Group the failed jobs of a queue by what went wrong, the most frequent first.

    Example: toril failures emails
    """
    from toril.web.api.queues import FailuresOut, get_failures
    from toril.web.words import ago

    found = document(FailuresOut, at_store(app, lambda desk, who: get_failures(desk, who, queue, whole=True)))
    now = time.time_ns() // 1_000_000
    rows = [
        {
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


def clean(
    queue: QueueName,
    state: Annotated[JobState, typer.Option(help="Of which state.")],
    older_than: Annotated[str, typer.Option(metavar="SPAN", help="Such as 30m, 12h, 7d or 2w; 0s: however new.")],
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, the oldest first.")] = None,
    yes: Yes = False,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Remove the jobs of one state that ended, or were added, so long ago.

    Example: toril clean emails --state completed --older-than 7d --yes
    """
    from toril.web.api.queues import CleanModel, Count, clean

    seconds = span(older_than)
    if seconds is None:
        raise InvalidOption(f"--older-than: expected a span such as 30m, 12h or 7d, got {older_than!r}")
    wanted = body(CleanModel, state=state, older_than=seconds, limit=limit)
    agree(f"Remove the {state} jobs of {queue} older than {older_than}?", yes=yes)
    done = document(Count, at_store(app, lambda desk, who: clean(desk, who, queue, wanted)))
    if as_json:
        show_json(done)
    else:
        typer.echo(f"removed {number_of(done['count'], 'job')}")


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
