"""What people ask of the delivery log: rows by filter, page by page; timelines; counts, and rates by the hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypedDict

from sqlalchemy import ColumnElement, Select, String, cast, func, select

from toril.checks import moment, whole
from toril.errors import InvalidOption
from toril.messaging.address import Address
from toril.messaging.delivery import DeliveryLog
from toril.messaging.models import EmailEvent, EmailLog, Query, Status

__all__ = ["Hour", "LogPage", "Wanted", "WantedOptions", "copies", "counts", "hours", "page", "pending", "timeline"]

_HOUR = 3_600_000  # milliseconds
_LARGEST_PAGE, _MOST_HOURS = 1_000, 31 * 24


class LogPage(NamedTuple):
    """Rows of the delivery log, newest first; pass `after` on for the next page (None: there is none)."""

    mails: Sequence[EmailLog]
    after: str | None


class WantedOptions(TypedDict, total=False):
    """The fields of Wanted, each as an option of a call."""

    status: Status | str | None
    type: str | None
    recipient: str | None
    key: str | None
    batch: str | None
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows: all that is given must hold. since, until: when they were accepted, until not included."""

    status: Status | str | None = None
    type: str | None = None
    recipient: str | None = None
    key: str | None = None
    batch: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return them in SQL; raise InvalidOption."""
        columns: dict[str, Any] = {"type": EmailLog.type, "key": EmailLog.key, "batch": EmailLog.batch}
        given = ((column, getattr(self, name)) for name, column in columns.items())
        found: list[ColumnElement[bool]] = [column == value for column, value in given if value is not None]
        if self.status is not None:
            found.append(EmailLog.status == _status(self.status))
        if self.recipient is not None:
            spec = Address.parse(self.recipient, "recipient").spec
            found.append(func.lower(EmailLog.recipient) == spec.lower())
        # Ids begin with the time, so a span of time is a span of ids, and every index can walk it.
        if self.since is not None:
            found.append(EmailLog.id >= first_id(moment("since", self.since)))
        if self.until is not None:
            found.append(EmailLog.id < first_id(moment("until", self.until)))
        return found


def first_id(at: int) -> str:
    """Return what comes before the id of every row made at `at` (epoch milliseconds), and after all earlier ones."""
    return f"m{max(at, 0):011x}"


def query(wanted: Wanted, limit: int, after: str | None) -> Select[EmailLog]:
    """Return the query of a page."""
    chosen = select(EmailLog).where(*wanted.conditions()).order_by(EmailLog.id.desc()).limit(limit)
    return chosen if after is None else chosen.where(EmailLog.id < after)


async def page(log: DeliveryLog, wanted: Wanted, limit: int, after: str | None) -> LogPage:
    """Return up to `limit` rows, newest first; raise InvalidOption."""
    whole(1, _LARGEST_PAGE)("limit", limit)
    rows = await log.read(query(wanted, limit, after))
    mails = [row[0] for row in rows]
    return LogPage(mails, mails[-1].id if len(mails) == limit else None)


async def timeline(log: DeliveryLog, mail_id: str) -> Sequence[EmailEvent]:
    """Return what happened to a message, oldest first."""
    rows = await log.read(select(EmailEvent).where(EmailEvent.email_id == mail_id).order_by(EmailEvent.id))
    return [row[0] for row in rows]


async def copies(log: DeliveryLog, mail_id: str) -> list[str]:
    """Return the ids of a message's copies."""
    return [row[0] for row in await log.read(select(EmailLog.id).where(EmailLog.copy_of == mail_id))]


async def pending(log: DeliveryLog, batch: str, limit: int) -> list[str]:
    """Return the ids of some messages of a batch that wait to be sent."""
    chosen = select(EmailLog.id).where(EmailLog.batch == batch, EmailLog.status == Status.PENDING)
    return [row[0] for row in await log.read(chosen.order_by(EmailLog.id).limit(limit))]


async def counts(log: DeliveryLog, batch: str | None) -> dict[str, int]:
    """Return how many messages are in each status, of all or of one batch."""
    chosen = select(EmailLog.status, func.count()).group_by(EmailLog.status)
    rows = await log.read(chosen if batch is None else chosen.where(EmailLog.batch == batch))
    return {row[0]: row[1] for row in rows}


class Hour(NamedTuple):
    """The mails that were accepted in one hour, by what has become of them."""

    start: datetime
    counts: dict[str, int]

    @property
    def total(self) -> int:
        """How many there were."""
        return sum(self.counts.values())

    @property
    def sent_rate(self) -> float | None:
        """The share that was sent of those that have ended; None if none has."""
        ended = self.total - self.counts.get(Status.PENDING, 0) - self.counts.get(Status.SENDING, 0)
        return self.counts.get(Status.SENT, 0) / ended if ended else None


async def hours(log: DeliveryLog, since: datetime, until: datetime) -> list[Hour]:
    """Return the hours from `since` to `until`, oldest first, without those that had no mail; at most 31 days."""
    start, end = moment("since", since), moment("until", until)
    if not 0 < end - start <= _MOST_HOURS * _HOUR:
        raise InvalidOption("since, until: expected a span of more than nothing and at most 31 days")
    found: dict[str, dict[str, int]] = {}
    for hour, status, number in await log.read(hourly(start, end)):
        found.setdefault(hour, {})[status] = number
    return [Hour(datetime.fromisoformat(f"{hour}:00").replace(tzinfo=UTC), found[hour]) for hour in sorted(found)]


def hourly(start: int, end: int) -> Query:
    """Return the query of the counts by hour and status."""
    # What both databases show of a time in UTC begins with the date and the hour.
    hour = func.substr(cast(EmailLog.created_at, String), 1, 13)
    return (
        select(hour, EmailLog.status, func.count())
        .where(EmailLog.created_at >= start, EmailLog.created_at < end)
        .group_by(hour, EmailLog.status)
    )


def _status(value: str) -> Status:
    try:
        return Status(value)
    except ValueError:
        raise InvalidOption(f"status: expected one of {', '.join(Status)}, got {value!r}") from None
