"""`toril token` and `toril user`: who may come in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from toril.cli.desk import App, AsJson, at_desk
from toril.cli.output import fail, say, show_found, show_json

if TYPE_CHECKING:
    from toril.web.auth import Principal
    from toril.web.desk import Desk
    from toril.web.models import Token

__all__ = ["token", "user"]

token = typer.Typer(no_args_is_help=True, help="Make, list and revoke API tokens.")
user = typer.Typer(no_args_is_help=True, help="Make, list and remove users of the dashboard.")
Roles = Annotated[list[str], typer.Option("--role", help="read, send or admin; may be repeated.")]


@token.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What it is for; it stands in the audit log.")],
    role: Roles,
    days: Annotated[int, typer.Option(min=1, help="Days until it expires.")] = 90,
    never: Annotated[bool, typer.Option("--never-expires", help="Let it have no end.")] = False,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Make an API token and print it, this once."""

    async def work(desk: Desk, who: Principal) -> tuple[Token, str]:
        async with desk.audit.acting(who, "create-token", detail=f"{name}: {', '.join(role)}"):
            return await desk.tokens.create(name, role, days=None if never else days)

    made, secret = at_desk(app, work)
    if as_json:
        show_json({"id": made.id, "token": secret, "expires": _time(made.expires_at)})
        return
    typer.echo(secret)
    typer.echo(f"id {made.id}, roles {made.roles}, expires {_time(made.expires_at) or 'never'}", err=True)


@token.command("list")
def list_tokens(app: App = None, as_json: AsJson = False) -> None:
    """List API tokens, without their secrets."""
    rows = [
        {
            "id": found.id,
            "name": found.name,
            "roles": found.roles,
            "created": _time(found.created_at),
            "expires": _time(found.expires_at),
            "used": _time(found.used_at),
            "revoked": _time(found.revoked_at),
        }
        for found in at_desk(app, lambda desk, _: desk.tokens.list())
    ]
    show_found(rows, as_json=as_json, nothing="there are no tokens")


@token.command("revoke")
def revoke_token(
    token_id: Annotated[str, typer.Argument(help="Its id, as list shows it.")], app: App = None, as_json: AsJson = False
) -> None:
    """Let an API token open nothing any more."""

    async def work(desk: Desk, who: Principal) -> bool:
        async with desk.audit.acting(who, "revoke-token", detail=token_id):
            return await desk.tokens.revoke(token_id)

    if not at_desk(app, work):
        fail(f"there is no token {token_id} that still opens anything")
    say(f"{token_id} opens nothing any more", {"id": token_id}, as_json=as_json)


@user.command("create")
def create_user(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    role: Roles,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, help="Default: asked for.")
    ],
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Make a user of the dashboard, or give one another password and other roles."""

    async def work(desk: Desk, who: Principal) -> None:
        async with desk.audit.acting(who, "create-user", detail=f"{name}: {', '.join(role)}"):
            await desk.users.put(name, password, role)

    at_desk(app, work)
    say(f"{name} may sign in", {"name": name, "roles": role}, as_json=as_json)


@user.command("list")
def list_users(app: App = None, as_json: AsJson = False) -> None:
    """List the users of the dashboard."""
    found = at_desk(app, lambda desk, _: desk.users.list())
    rows = [{"name": one.name, "roles": one.roles, "created": _time(one.created_at)} for one in found]
    show_found(rows, as_json=as_json, nothing="there are no users")


@user.command("remove")
def remove_user(
    name: Annotated[str, typer.Argument(help="The user's name.")], app: App = None, as_json: AsJson = False
) -> None:
    """Remove a user of the dashboard; their sessions are over."""

    async def work(desk: Desk, who: Principal) -> bool:
        async with desk.audit.acting(who, "remove-user", detail=name):
            return await desk.users.remove(name)

    if not at_desk(app, work):
        fail(f"there is no user {name}")
    say(f"{name} may sign in no more", {"name": name}, as_json=as_json)


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(" ", "seconds")
