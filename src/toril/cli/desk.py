"""What commands share that look after a store: they call the admin API's functions, as an administrator.

So masks, models and the audit log are the same, and nothing that a command does goes past them.
"""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from toril.cli.loading import find_app
from toril.cli.output import fail
from toril.errors import InvalidOption, StoreUnavailable

if TYPE_CHECKING:
    from pydantic import BaseModel

    from toril.app import Toril
    from toril.web.auth import Principal
    from toril.web.desk import Desk

__all__ = ["App", "AsJson", "QueueName", "at_desk", "at_store", "body", "document"]

T = TypeVar("T")
M = TypeVar("M", bound="BaseModel")
App = Annotated[
    str | None,
    typer.Option(
        "--app", metavar="MODULE:NAME", help="The application. Default: TORIL_APP, else the store of the settings."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
QueueName = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]
Work = Callable[["Desk", "Principal"], Awaitable[T]]


def at_desk(place: str | None, work: Work[T]) -> T:
    """Return what `work` returns for the application at `place`, done as whoever is logged in to this machine.

    What the admin API would answer as a problem is said in a line and ends the command.
    """
    return _run(find_app(place), work)


def at_store(place: str | None, work: Work[T]) -> T:
    """Do as `at_desk` does, if there is a store: looking for jobs makes no empty file. Raises StoreUnavailable."""
    application = find_app(place)
    path = application.url.partition("sqlite:///")[2]
    if path and path != ":memory:" and not Path(path).exists():
        raise StoreUnavailable(f"there is no file {path}: --app, TORIL_APP or TORIL_URL says where the jobs are")
    return _run(application, work)


def document(model: type[BaseModel], answer: Any) -> dict[str, Any]:
    """Return what the admin API would send: the answer of one of its functions in the form of its model."""
    return model.model_validate(answer).model_dump(mode="json")


def body(model: type[M], **fields: Any) -> M:
    """Return what the admin API would be sent; raise InvalidOption that names the field."""
    from pydantic import ValidationError

    try:
        return model(**fields)
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False)
        raise InvalidOption(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _run(application: Toril, work: Work[T]) -> T:
    from toril.web.auth import Principal, Role
    from toril.web.desk import Desk
    from toril.web.problems import Problem

    async def run() -> T:
        try:
            return await work(Desk(application), Principal(_operator(), frozenset({Role.ADMIN}), "cli"))
        finally:
            await application.close()

    try:
        return asyncio.run(run())
    except Problem as problem:
        fail(problem.detail)


def _operator() -> str:
    """Return who is logged in to this machine; in a container the number may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "cli"
