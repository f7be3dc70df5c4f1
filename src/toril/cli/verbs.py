"""`toril retry`, `promote`, `cancel` and `remove`: one job, some, or all that match a filter."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toril.cli.desk import App, AsJson, QueueName, at_store
from toril.cli.output import fail, printable, show_json
from toril.wording import number_of

if TYPE_CHECKING:
    from toril.web.auth import Principal
    from toril.web.desk import Desk
    from toril.web.verbs import Done

__all__ = ["VERBS", "Yes", "agree"]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
VERBS = {
    "retry": ("Let failed or completed jobs run again.", "retried"),
    "promote": ("Let delayed jobs be taken now.", "promoted"),
    "cancel": ("Let jobs that have not ended fail as cancelled.", "cancelled"),
    "remove": ("Remove jobs, with what is below them in a flow.", "removed"),
}
"""The commands: what each does, and how it says that it has."""
_HELP = """{what}

Those of the ids, or all that match --filter.

Of a filter that names no state, those to which it can be done; to retry, failed ones alone.

Example: toril {verb} emails 1042; toril {verb} emails --filter "name:welcome since:1h" --dry-run
"""
_SHOWN = 1_000  # ids that JSON holds, as in the admin API


def agree(question: str, *, yes: bool) -> None:
    """Ask whether to go on, unless --yes was given; raise UsageError if nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("expected where nobody can be asked", param_hint="--yes")
    typer.confirm(question, abort=True, err=True)


def command(verb: str) -> Callable[..., None]:
    """Return the function of a verb's command."""

    def act(
        queue: QueueName,
        ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="The jobs' ids.")] = None,
        text: Annotated[str | None, typer.Option("--filter", help="All that match, as of toril jobs.")] = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many match, and do nothing.")] = False,
        yes: Yes = False,
        app: App = None,
        as_json: AsJson = False,
    ) -> None:
        if bool(ids) == (text is not None):
            raise typer.BadParameter("expected ids or --filter")
        if ids:
            if dry_run:
                raise typer.BadParameter("--dry-run belongs to --filter")
            _act_on_chosen(verb, queue, ids, app, as_json=as_json)
        else:
            _act_on_all(verb, queue, text or "", app, dry_run=dry_run, yes=yes, as_json=as_json)

    act.__doc__ = _HELP.format(what=VERBS[verb][0], verb=verb)
    return act


def _act_on_chosen(verb: str, queue: str, ids: list[str], app: str | None, *, as_json: bool) -> None:
    from toril.web.overview import find_queue
    from toril.web.verbs import Verb, act_on

    async def work(desk: Desk, who: Principal) -> Done:
        return await act_on(desk, who, await find_queue(desk.app, queue), Verb(verb), ids)

    done = at_store(app, work)
    _show(verb, done, as_json=as_json)
    if done.skipped:
        fail(f"{number_of(done.skipped, 'job')} gone, or not in a state for it")


def _act_on_all(verb: str, queue: str, text: str, app: str | None, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    from toril.web.overview import find_queue
    from toril.web.verbs import Done, Verb, act_on_all, count_all

    async def count(desk: Desk, _: Principal) -> int:
        return await count_all(await find_queue(desk.app, queue), Verb(verb), text)

    async def work(desk: Desk, who: Principal) -> Done:
        found, done = await find_queue(desk.app, queue), Done()
        while True:
            more = await act_on_all(desk, who, found, Verb(verb), text, after=done.after)
            done = Done(done.ids + more.ids, done.skipped + more.skipped, more.after)
            if done.after is None:
                return done
            typer.echo(f"{len(done.ids):,} until now", err=True)

    if dry_run or not yes:
        matching = at_store(app, count)
        if dry_run:
            _show_count(verb, matching, as_json=as_json)
        if not matching:
            fail("no job matches to which it can be done")
        if dry_run:
            return
        agree(f"{verb.capitalize()} {number_of(matching, 'job')} of {printable(queue)}?", yes=yes)
    done = at_store(app, work)
    _show(verb, done, as_json=as_json)
    if not done.ids:
        fail("no job matches to which it can be done")


def _show_count(verb: str, matching: int, *, as_json: bool) -> None:
    if as_json:
        show_json({"count": matching})
    elif matching:
        typer.echo(f"would have {VERBS[verb][1]} {number_of(matching, 'job')}")


def _show(verb: str, done: Done, *, as_json: bool) -> None:
    if as_json:
        shown: dict[str, Any] = {"count": len(done.ids), "ids": done.ids[:_SHOWN], "skipped": done.skipped}
        show_json({**shown, "after": done.after})
    elif done.ids:
        typer.echo(f"{VERBS[verb][1]} {number_of(len(done.ids), 'job')}")
