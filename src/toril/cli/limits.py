"""`toril limits`: what all workers together run of a queue, and how many jobs may wait in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from toril.cli.desk import App, AsJson, QueueName, at_store, body, document
from toril.cli.output import printable, say
from toril.errors import InvalidOption
from toril.wording import number_of

if TYPE_CHECKING:
    from toril.web.auth import Principal
    from toril.web.desk import Desk

__all__ = ["limits"]

_NONE = "none"


def limits(
    queue: QueueName,
    concurrency: Annotated[str | None, typer.Option(metavar="JOBS", help="Active at once; or none.")] = None,
    rate: Annotated[str | None, typer.Option(metavar="JOBS/SECONDS", help="Started in a time; or none.")] = None,
    length: Annotated[str | None, typer.Option(metavar="JOBS", help="Waiting or delayed; or none.")] = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Show the limits of a queue, or set those that are given; the others stay.

    Example: toril limits emails --concurrency 20 --rate 100/60; toril limits emails --rate none
    """
    from toril.web.api.queues import LimitsModel, get_limits, set_limits

    given = {
        name: _read(name, text)
        for name, text in (("concurrency", concurrency), ("rate", rate), ("max_length", length))
        if text is not None
    }

    async def work(desk: Desk, who: Principal) -> Any:
        found = await get_limits(desk, queue)
        return await set_limits(desk, who, queue, body(LimitsModel, **{**found, **given})) if given else found

    found = document(LimitsModel, at_store(app, work))
    say(f"{printable(queue)}: {_words(found)}", found, as_json=as_json)


def _read(name: str, text: str) -> int | dict[str, float] | None:
    if text == _NONE:
        return None
    count, slash, seconds = text.partition("/")
    try:
        if name != "rate":
            return int(text)
        return {"n": int(count), "per": float(seconds) if slash else 1.0}
    except ValueError:
        wanted = "jobs/seconds, such as 100/60" if name == "rate" else "a number of jobs"
        raise InvalidOption(f"{name}: expected {wanted}, or none; got {text!r}") from None


def _words(found: dict[str, Any]) -> str:
    """Return the limits as a sentence."""
    rate = found["rate"]
    said = [
        found["concurrency"] and f"{number_of(found['concurrency'], 'job')} at once",
        rate and f"{number_of(rate['n'], 'job')} in {rate['per']:g} s",
        found["max_length"] and f"{number_of(found['max_length'], 'job')} waiting or delayed",
    ]
    return f"at most {', '.join(filter(None, said))}" if any(said) else "no limits"
