"""`toril token` and `toril user`: who may come in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from toril.cli.output import show

if TYPE_CHECKING:
    from toril.web.desk import Desk

__all__ = ["token", "user"]

T = TypeVar("T")
token = typer.Typer(no_args_is_help=True, help="Make, list and revoke API tokens.")
user = typer.Typer(no_args_is_help=True, help="Make, list and remove users of the dashboard.")
App = Annotated[str, typer.Argument(help="Where the application is: module:name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Roles = Annotated[list[str], typer.Option("--role", help="read, send or admin; may be repeated.")]


@token.command("create")
def create_token(
    app: App,
    name: Annotated[str, typer.Argument(help="What it is for; it stands in the audit log.")],
    role: Roles,
    days: Annotated[int, typer.Option(min=1, help="Days until it expires.")] = 90,
    never: Annotated[bool, typer.Option("--never-expires", help="Let it have no end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an API token and print it, this once."""
    made, secret = _run(app, lambda desk: desk.tokens.create(name, role, days=None if never else days))
    if as_json:
        show([{"id": made.id, "token": secret, "expires": _time(made.expires_at)}], as_json=True)
        return
    typer.echo(secret)
    typer.echo(f"id {made.id}, roles {made.roles}, expires {_time(made.expires_at) or 'never'}", err=True)


@token.command("list")
def list_tokens(app: App, as_json: AsJson = False) -> None:
    """List API tokens, without their secrets."""
    rows = [
        {
            "id": found.id,
            "name": found.name,
            "roles": found.roles,
            "created": _time(found.created_at),
            "expires": _time(found.expires_at),
            "last used": _time(found.used_at),
            "revoked": _time(found.revoked_at),
        }
        for found in _run(app, lambda desk: desk.tokens.list())
    ]
    show(rows, as_json=as_json)


@token.command("revoke")
def revoke_token(app: App, token_id: Annotated[str, typer.Argument(help="Its id, as list shows it.")]) -> None:
    """Let an API token open nothing any more."""
    if not _run(app, lambda desk: desk.tokens.revoke(token_id)):
        typer.echo(f"there is no token {token_id} that still opens anything", err=True)
        raise typer.Exit(1)


@user.command("create")
def create_user(
    app: App,
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    role: Roles,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, help="Default: asked for.")
    ],
) -> None:
    """Make a user of the dashboard, or give one another password and other roles."""
    _run(app, lambda desk: desk.users.put(name, password, role))


@user.command("list")
def list_users(app: App, as_json: AsJson = False) -> None:
    """List the users of the dashboard."""
    found = _run(app, lambda desk: desk.users.list())
    show([{"name": one.name, "roles": one.roles, "created": _time(one.created_at)} for one in found], as_json=as_json)


@user.command("remove")
def remove_user(app: App, name: Annotated[str, typer.Argument(help="The user's name.")]) -> None:
    """Remove a user of the dashboard; their sessions are over."""
    if not _run(app, lambda desk: desk.users.remove(name)):
        typer.echo(f"there is no user {name}", err=True)
        raise typer.Exit(1)


def _run(place: str, verb: Callable[[Desk], Awaitable[T]]) -> T:
    from toril.cli.loading import load_app
    from toril.web.desk import Desk

    application = load_app(place)

    async def run() -> T:
        try:
            return await verb(Desk(application))
        finally:
            await application.close()

    return asyncio.run(run())


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(" ", "seconds")
