"""`toril backup`, `restore`, `hold` and `release`: copies, putting them back, and who decides what goes out then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from toril.cli.desk import App, AsJson
from toril.cli.loading import beside, find_app, load_mailer
from toril.cli.output import say, show
from toril.wording import number_of

if TYPE_CHECKING:
    from toril.app import Toril
    from toril.messaging import Mailer
    from toril.recovery import Manifest, Part, Restored

__all__ = ["backup", "hold", "release", "restore"]

T = TypeVar("T")

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]
WithMailer = Annotated[
    str | None, typer.Option(help="Where its mailer is: module:name. Default: the one in the application's module.")
]
Only = Annotated[Literal["jobs", "log"] | None, typer.Option(help="One part alone: jobs, or the delivery log.")]


def backup(file: File, app: App = None, mailer: WithMailer = None, only: Only = None, as_json: AsJson = False) -> None:
    """Copy jobs and delivery log into one new file, while workers run.

    Example: toril backup /var/backups/shop-monday.zip --app shop.jobs:app
    """
    from toril.recovery import back_up, places_of

    application, sender = _load(app, mailer)
    _show(back_up(places_of(application, sender, only), file), as_json=as_json)


def restore(
    file: File,
    app: App = None,
    mailer: WithMailer = None,
    only: Only = None,
    into: Annotated[Path | None, typer.Option(help="A folder to restore into, as jobs.db and jobs-mail.db.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Rename what is there already; nobody may use it.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Read and verify the backup, restore nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup back, with every queue paused and every mail held that had not ended: nothing goes out by itself.

    Example: toril restore /var/backups/shop-monday.zip --app shop.jobs:app
    """
    from toril.recovery import places_in, places_of, verify
    from toril.recovery import restore as put_back

    if check:
        _show(verify(file), as_json=as_json)
        return
    application, sender = _load(app, mailer)
    places = places_in(into, only) if into else places_of(application, sender, only)
    _tell(_run(application, lambda: put_back(file, places, application, force=force)), as_json=as_json)


def hold(
    taken: Annotated[str, typer.Option(help="When the backup was taken, for the reason that people read.")],
    app: App = None,
    mailer: WithMailer = None,
    as_json: AsJson = False,
) -> None:
    """Pause every queue and hold every mail that has not ended: after other tools have put databases back.

    Example: toril hold --taken "Monday 08:00" --app shop.jobs:app
    """
    from toril import recovery

    application, sender = _load(app, mailer)
    queues, mails = _run(application, lambda: recovery.hold(application, recovery.log_of(application, sender), taken))
    text = f"{number_of(len(queues), 'queue')} paused, {number_of(mails, 'mail')} held"
    say(text, {"queues": queues, "mails": mails}, as_json=as_json)


def release(app: App = None, as_json: AsJson = False) -> None:
    """Resume the queues that a restore or `toril hold` has paused; other pauses stay."""
    from toril import recovery

    application, _ = _load(app, None)
    queues = _run(application, lambda: recovery.release(application))
    text = f"{number_of(len(queues), 'queue')} resumed{': ' if queues else ''}{', '.join(queues)}"
    say(text, {"queues": queues}, as_json=as_json)


def _load(app: str | None, mailer: str | None) -> tuple[Toril, Mailer | None]:
    from toril.settings import Settings

    application, named = find_app(app), app or Settings().app
    if mailer:
        return application, load_mailer(mailer)
    return application, beside(named, application) if named else None


def _run(app: Toril, work: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        try:
            return await work()
        finally:
            await app.close()

    return asyncio.run(run())


def _tell(done: Restored, *, as_json: bool) -> None:
    _show(done.manifest, as_json=as_json)
    for path in done.aside:
        typer.echo(f"what was there is now {path}", err=True)
    held = f"{number_of(len(done.queues), 'queue')} paused, {number_of(done.mails, 'mail')} held"
    typer.echo(f"{held}: nothing goes out by itself", err=True)
    typer.echo("look at them, then: toril mail release MAILER, and toril release", err=True)


def _show(manifest: Manifest, *, as_json: bool) -> None:
    rows = [
        {
            "part": part.name,
            "taken_at": manifest.taken_at,
            "bytes": part.bytes,
            "holds": part.counts if as_json else _counts(part),
            "from": part.source,
        }
        for part in manifest.parts
    ]
    show(rows, as_json=as_json)


def _counts(part: Part) -> str:
    queues = part.counts if part.name == "jobs" else {"mails": part.counts}
    return "; ".join(
        f"{name}: {', '.join(f'{n:,} {state}' for state, n in held.items())}" for name, held in queues.items()
    )
