"""`toril clean`, `drain` and `obliterate`: what is in a queue is removed, in part or with the queue."""

from __future__ import annotations

from typing import Annotated

import typer

from toril.cli.desk import App, AsJson, QueueName, at_store, body, document
from toril.cli.output import printable, say
from toril.cli.verbs import Yes, agree
from toril.errors import InvalidOption
from toril.filter import span
from toril.job import JobState
from toril.wording import number_of

__all__ = ["clean", "drain", "obliterate"]


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
    agree(f"Remove the {state} jobs of {printable(queue)} older than {older_than}?", yes=yes)
    done = document(Count, at_store(app, lambda desk, who: clean(desk, who, queue, wanted)))
    say(f"removed {number_of(done['count'], 'job')}", done, as_json=as_json)


def drain(
    queue: QueueName,
    delayed: Annotated[bool, typer.Option("--delayed", help="Those that are delayed, too.")] = False,
    yes: Yes = False,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Remove all jobs that are ready now; those that run go on.

    Example: toril drain emails --delayed --yes
    """
    from toril.web.api.queues import Count, DrainModel, drain

    wanted = body(DrainModel, delayed=delayed)
    agree(f"Remove all ready{' and delayed' if delayed else ''} jobs of {printable(queue)}?", yes=yes)
    done = document(Count, at_store(app, lambda desk, who: drain(desk, who, queue, wanted)))
    say(f"removed {number_of(done['count'], 'job')}", done, as_json=as_json)


def obliterate(
    queue: QueueName,
    force: Annotated[bool, typer.Option("--force", help="Though jobs of it are active.")] = False,
    yes: Yes = False,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Remove a paused queue with its jobs in every state, its schedules, metrics and limits.

    Example: toril pause old-emails; toril obliterate old-emails
    """
    from toril.web.api.queues import Count, obliterate

    agree(f"Remove {printable(queue)} with all that is in it?", yes=yes)
    done = document(Count, at_store(app, lambda desk, who: obliterate(desk, who, queue, force=force)))
    say(f"removed {printable(queue)} with {number_of(done['count'], 'job')}", done, as_json=as_json)
