"""After a restore from a backup: nobody knows what was sent since, so nothing goes out by itself."""

from __future__ import annotations

from sqlalchemy import Connection, Table, insert, update

from toril.messaging.models import FINAL, Base, Status

__all__ = ["hold_unfinished"]

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
