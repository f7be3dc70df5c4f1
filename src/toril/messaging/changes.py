"""Changes to the delivery log: new rows, and conditional updates that say what the row must be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Executable,
    Insert,
    Integer,
    Table,
    Text,
    bindparam,
    cast,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.types import TypeEngine

from toril.messaging.inserting import NewMail, insert_mails
from toril.messaging.models import Base, Moment, Status

__all__ = ["Add", "Change", "Edge", "In", "Mark", "apply", "weigh"]

_logs: Table = Base.metadata.tables["email_logs"]
_events: Table = Base.metadata.tables["email_events"]


class In(NamedTuple):
    """A time: so many seconds after the commit."""

    seconds: float


class Edge(NamedTuple):
    """A transition: the states that it may leave, and what it writes. Marks with equal edges share one statement.

    tried: it belongs to an attempt, the first of which is noted.
    """

    leaves: tuple[Status, ...]
    values: tuple[tuple[str, Any], ...]
    tried: bool = True


class Mark(NamedTuple):
    """A transition of one row; it takes effect only if the row's `attempts` is `attempt` (None: whatever it is).

    edge: None for a note in the timeline alone. events: lines for the timeline, (event, detail), written only if
    it takes effect. number: the attempt that they belong to.
    """

    id: str
    attempt: int | None
    edge: Edge | None
    events: tuple[tuple[str, str], ...]
    number: int = 0


@dataclass(frozen=True, slots=True)
class Add:
    """New rows, all of them or none. refused: filled with the ids of those whose key was used before."""

    mails: Sequence[NewMail]
    refused: set[str] = field(default_factory=set)


Change = Add | Mark


_BYTES = 10_000  # of a file, which cost as much to write as one transition


def weigh(change: Change) -> int:
    """Return what a change costs, as a multiple of that of one row's transition."""
    if isinstance(change, Mark):
        return 1
    return sum(5 + sum(len(file.content) for file in new.files) // _BYTES for new in change.mails)


def apply(connection: Connection, changes: Sequence[Change], now: int) -> list[bool]:
    """Make changes at the time `now` (epoch milliseconds) and return for each whether it took effect."""
    _add(connection, [change for change in changes if isinstance(change, Add)], now)
    answers = [True] * len(changes)
    for (_, edge, free), group in sorted(_groups(changes).items(), key=lambda item: item[0][0]):
        ids = _transit(connection, edge, [mark for _, mark in group], now, free=free)
        for index, mark in group:
            answers[index] = mark.id in ids
    lines = [line for change, took in zip(changes, answers, strict=True) if took for line in _lines(change)]
    if lines:
        connection.execute(_add_events(connection.dialect.name), {"at": now, "rows": json.dumps(lines)})
    return answers


def _add(connection: Connection, adds: Sequence[Add], now: int) -> None:
    if adds:
        refused = insert_mails(connection, [new for add in adds for new in add.mails], now)
        for add in adds:
            add.refused.clear()
            add.refused.update(refused & {new.mail.id for new in add.mails})


Group = tuple[int, Edge, bool]  # how many changes of its row come before it; its edge; whatever the attempt is


def _groups(changes: Sequence[Change]) -> dict[Group, list[tuple[int, Mark]]]:
    """Return the marks that can share a statement: never two of one row, whose changes stay in their order."""
    groups: dict[Group, list[tuple[int, Mark]]] = {}
    seen: dict[str, int] = {}
    for index, mark in enumerate(changes):
        if isinstance(mark, Mark) and mark.edge is not None:
            earlier = seen.get(mark.id, 0)
            seen[mark.id] = earlier + 1
            groups.setdefault((earlier, mark.edge, mark.attempt is None), []).append((index, mark))
    return groups


def _transit(connection: Connection, edge: Edge, marks: Sequence[Mark], now: int, *, free: bool) -> AbstractSet[str]:
    """Let rows go over an edge in one statement; return the ids of those that did."""
    names = tuple(name for name, _ in edge.values)
    values = {f"new_{name}": _resolve(value, now) for name, value in edge.values}
    statement = _update(connection.dialect.name, names, edge.leaves, tried=edge.tried, free=free)
    rows = json.dumps([(mark.id, mark.attempt) for mark in marks])
    return set(connection.execute(statement, {**values, "now": now, "rows": rows}).scalars())


@cache
def _update(dialect: str, names: Sequence[str], leaves: Sequence[Status], *, tried: bool, free: bool) -> Executable:
    """Return the statement that writes `new_…` into the rows listed in `rows` that are in one of the states `leaves`.

    free: whatever their attempt is.
    """
    mark_id, attempt = _columns(dialect, (Text, Integer))
    # An expression, which no index serves: by the one on `status` SQLite would walk all that is pending for each mark.
    status = _logs.c.status.concat("")
    statement = update(_logs).where(_logs.c.id == mark_id, status.in_(leaves))
    if not free:
        statement = statement.where(_logs.c.attempts == attempt)
    values: dict[str, Any] = {name: bindparam(f"new_{name}", type_=_logs.c[name].type) for name in names}
    if tried:
        values["first_try_at"] = func.coalesce(_logs.c.first_try_at, bindparam("now", type_=Moment()))
    return statement.values(values).returning(_logs.c.id)


@cache
def _add_events(dialect: str) -> Insert:
    """Return the statement that writes the lines listed in `rows`."""
    email_id, event, attempt, detail = _columns(dialect, (Text, Text, Integer, Text))
    chosen = select(email_id, bindparam("at", type_=Moment()), event, attempt, detail)
    return insert(_events).from_select(["email_id", "at", "event", "attempt", "detail"], chosen)


def _columns(dialect: str, types: Sequence[type[TypeEngine[Any]]]) -> list[ColumnElement[Any]]:
    """Return the columns of the JSON list of lists in the parameter `rows`: one statement for any number of rows."""
    rows = bindparam("rows", type_=Text())
    if dialect == "sqlite":
        value = func.json_each(rows).table_valued("value").c.value
        return [func.json_extract(value, f"$[{place}]", type_=kind()) for place, kind in enumerate(types)]
    value = func.json_array_elements(cast(rows, JSON)).table_valued("value").c.value
    return [cast(value.op("->>")(place), kind) for place, kind in enumerate(types)]


def _resolve(value: Any, now: int) -> Any:
    return now + round(value.seconds * 1000) if isinstance(value, In) else value


def _lines(change: Change) -> list[tuple[str, str, int, str]]:
    if isinstance(change, Mark):
        return [(change.id, event, change.number, detail) for event, detail in change.events]
    taken = [new for new in change.mails if not {new.mail.id, new.mail.copy_of} & change.refused]
    lines = [(new.mail.id, "queued", 0, new.detail) for new in taken]
    lines += [(new.mail.id, "suppressed", 0, new.mail.error or "") for new in taken if new.mail.error]
    return lines
