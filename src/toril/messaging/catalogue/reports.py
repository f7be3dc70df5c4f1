"""Mail about reports."""

from __future__ import annotations

from toril.messaging.catalogue.fields import Day, Line
from toril.messaging.message import Context, SecretURL

__all__ = ["ReportReady"]


class ReportReady(Context, kind="transactional", priority=2):
    """A report that somebody asked for can be fetched at `link`, until `available_until`; `format` is such as PDF."""

    report: Line
    link: SecretURL
    name: Line | None = None
    start: Day | None = None
    end: Day | None = None
    format: Line | None = None
    size: Line | None = None
    available_until: Day | None = None
