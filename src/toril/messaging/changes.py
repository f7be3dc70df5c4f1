"""Changes to the delivery log: new rows, and conditional updates that say what the row must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Insert, Table, Update, func, insert, literal, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from toril.messaging.models import Base, EmailLog, Moment, Status

__all__ = ["Add", "Change", "Edge", "In", "Mark", "apply"]

_logs: Table = Base.metadata.tables["email_logs"]
_events: Table = Base.metadata.tables["email_events"]
_add_log: Insert = insert(_logs)
_add_event: Insert = insert(_events)


@dataclass(frozen=True, slots=True)
class In:
    """A time: so many seconds after the commit."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Edge:
    """A transition: the states that it may leave, and what it writes. Marks with equal edges share one statement.

    tried: it belongs to an attempt, the first of which is noted.
    """

    leaves: tuple[Status, ...]
    values: tuple[tuple[str, Any], ...]
    tried: bool = True


@dataclass(frozen=True, slots=True)
class Mark:
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
    """A new row."""

    mail: EmailLog
    detail: str = ""


Change = Add | Mark


async def apply(connection: AsyncConnection, changes: Sequence[Change], now: int) -> list[bool]:
    """Make changes at the time `now` (epoch milliseconds) and return for each whether it took effect."""
    rows = [_row(change.mail) for change in changes if isinstance(change, Add)]
    if rows:
        await connection.execute(_add_log, rows)
    answers = [True] * len(changes)
    for (_, edge, free), group in sorted(_groups(changes).items(), key=lambda item: item[0][0]):
        marks = [mark for _, mark in group]
        returned = await connection.execute(_statement(edge, marks, now, free=free))
        ids = set(returned.scalars())
        for index, mark in group:
            answers[index] = mark.id in ids
    lines = [line for change, took in zip(changes, answers, strict=True) if took for line in _lines(change, now)]
    if lines:
        await connection.execute(_add_event, lines)
    return answers


Group = tuple[int, Edge, bool]  # the how-manieth change of its row; its edge; whatever the attempt is


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


def _statement(edge: Edge, group: Sequence[Mark], now: int, *, free: bool) -> Any:
    values = {name: _resolve(value, now) for name, value in edge.values}
    if edge.tried:
        values["first_try_at"] = func.coalesce(_logs.c.first_try_at, literal(now, Moment()))
    statement: Update = update(_logs).where(_logs.c.status.in_(edge.leaves)).values(values)
    if free:
        statement = statement.where(_logs.c.id.in_([mark.id for mark in group]))
    else:
        fences = [(mark.id, mark.attempt) for mark in group]
        statement = statement.where(tuple_(_logs.c.id, _logs.c.attempts).in_(fences))
    return statement.returning(_logs.c.id)


def _resolve(value: Any, now: int) -> Any:
    return now + round(value.seconds * 1000) if isinstance(value, In) else value


def _row(mail: EmailLog) -> dict[str, Any]:
    return {column.key: getattr(mail, column.key) for column in _logs.columns}


def _lines(change: Change, at: int) -> list[dict[str, Any]]:
    if isinstance(change, Add):
        return [_line(change.mail.id, at, "queued", 0, change.detail)]
    return [_line(change.id, at, event, change.number, detail) for event, detail in change.events]


def _line(mail_id: str, at: int, event: str, attempt: int, detail: str) -> dict[str, Any]:
    return {"email_id": mail_id, "at": at, "event": event, "attempt": attempt, "detail": detail}
