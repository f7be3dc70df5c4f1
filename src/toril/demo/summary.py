"""What became of the demo's mails, after the delivery log and after the mailbox, which must agree."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from toril.messaging import EmailLog, Status
from toril.messaging.mailbox import Received

__all__ = ["Summary", "summarise"]


@dataclass(frozen=True, slots=True)
class Summary:
    """The demo in figures; times in milliseconds."""

    queued: int
    sent: int
    failed: int
    retried: int  # mails that needed more than one attempt
    duplicates: int  # mails that are in the mailbox more than once
    missing: int  # mails that should be in the mailbox and are not
    first_attempt_p50_ms: int
    first_attempt_p95_ms: int
    mails_per_second: float
    failures: dict[str, int]  # reason → mails
    delayed_job: str
    report_job: str
    schedule_runs: int

    @property
    def good(self) -> bool:
        """Whether every mail that should have arrived is in the mailbox, once."""
        return not self.missing and not self.duplicates and self.sent + self.failed == self.queued

    def as_json(self) -> str:
        """Return the summary as one line of JSON."""
        return json.dumps({**asdict(self), "ok": self.good})


def summarise(
    rows: Sequence[EmailLog], received: Sequence[Received], deliverable: set[str], jobs: tuple[str, str, int]
) -> Summary:
    """Compare the log's rows with the mailbox; `deliverable` are the addresses that the server accepts."""
    arrived = Counter(recipient for mail in received for recipient in mail.recipients)
    sent = [row for row in rows if row.status == Status.SENT]
    failed = [row for row in rows if row.status == Status.FAILED]
    waits = sorted(row.first_try_at - row.created_at for row in rows if row.first_try_at is not None)
    begin, end = min(row.created_at for row in rows), max((row.sent_at or 0 for row in sent), default=0)
    delayed, report, runs = jobs
    return Summary(
        queued=len(rows),
        sent=len(sent),
        failed=len(failed),
        retried=sum(row.attempts > 1 for row in rows),
        duplicates=sum(count > 1 for count in arrived.values()),
        missing=len(deliverable - arrived.keys()),
        first_attempt_p50_ms=_percentile(waits, 50),
        first_attempt_p95_ms=_percentile(waits, 95),
        mails_per_second=round(len(sent) / max((end - begin) / 1000, 0.001), 1),
        failures=dict(Counter(row.error or "" for row in failed)),
        delayed_job=delayed,
        report_job=report,
        schedule_runs=runs,
    )


def _percentile(ordered: Sequence[int], share: int) -> int:
    return ordered[min(len(ordered) * share // 100, len(ordered) - 1)] if ordered else 0
