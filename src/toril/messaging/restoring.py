"""After a restore from a backup: nobody knows what was sent since, so nothing goes out by itself."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Table, case, insert, literal, select, update

from toril.messaging.models import FINAL, Base, EmailLog, Moment, Status

__all__ = ["RESTORED", "hold_unfinished", "release_held"]

RESTORED = "restored from a backup"
"""What the reason of all that is held by a restore begins with."""
_SLICE = 1_000  # mails that one transaction releases

_logs: Table = Base.metadata.tables["email_logs"]
_events: Table = Base.metadata.tables["email_events"]


def hold_unfinished(connection: Connection, reason: str, now: int) -> int:
    """Turn every mail that is not final into `unknown`, held with that reason; return how many there were."""
    unfinished = (
        update(_logs)
        .where(_logs.c.status.not_in(FINAL))
        .values(status=Status.UNKNOWN, error=reason, look_at=None, give_up_at=None)
        .returning(_logs.c.id, _logs.c.attempts)
    )
    lines = [
        {"email_id": row.id, "at": now, "event": event, "attempt": row.attempts, "detail": detail}
        for row in connection.execute(unfinished)
        for event, detail in (("unknown", reason), ("held", ""))
    ]
    if lines:
        connection.execute(insert(_events), lines)
    return len(lines) // 2


def release_held(connection: Connection, wanted: Sequence[ColumnElement[bool]], now: int) -> int:
    """Let up to 1,000 of the mails that a restore holds be sent, each when it was due; return how many.

    The relay finds them by their `look_at`.
    """
    held = (EmailLog.status == Status.UNKNOWN, EmailLog.error.startswith(RESTORED))
    chosen = select(EmailLog.id).where(*held, *wanted).order_by(EmailLog.id).limit(_SLICE)
    due = case((_logs.c.send_at > now, _logs.c.send_at), else_=literal(now, Moment()))
    again = (
        update(_logs)
        .where(_logs.c.id.in_(chosen))
        .values(status=Status.PENDING, error=None, forgiven=_logs.c.attempts, send_at=due, look_at=due)
        .returning(_logs.c.id, _logs.c.attempts)
    )
    line = {"at": now, "event": "released", "detail": ""}
    lines = [line | {"email_id": row.id, "attempt": row.attempts} for row in connection.execute(again)]
    if lines:
        connection.execute(insert(_events), lines)
    return len(lines)
