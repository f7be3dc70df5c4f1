"""Logging of Toril's own commands: lines for people on a terminal, JSON for programs elsewhere."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from toril.log import EVENTS
from toril.masking import without_people
from toril.settings import Settings

__all__ = ["JsonLines", "Lines", "configure"]


def configure(settings: Settings) -> None:
    """Let this process log to stderr, unless the application has seen to that; `log_level` is for Toril's own events.

    Everything else says what is INFO and above: at DEBUG, drivers of databases write what they are given.
    """
    level = settings.log_level.upper()
    logging.getLogger("toril").setLevel(level)
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    text = sys.stderr.isatty() if settings.log_format is None else settings.log_format == "text"
    handler.setFormatter(Lines() if text else JsonLines())
    root.addHandler(handler)
    root.setLevel(max(logging.INFO, logging.getLevelNamesMapping()[level]))
    logging.getLogger("alembic").setLevel(max(logging.WARNING, root.level))  # at INFO it tells of each of its plugins


class Lines(logging.Formatter):
    """`2026-11-26 14:03:05,123 WARNING toril.job job.attempt_failed: will be tried again job=t7 queue=mails …`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatException(self, ei: Any) -> str:  # noqa: N802  (logging's own name)
        """Return a traceback without secrets and addresses."""
        return without_people(super().formatException(ei))


class JsonLines(Lines):
    """One object a line: `time`, `level`, `logger`, `message`; of Toril's events also `event` and their fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line of JSON."""
        event = EVENTS.get(getattr(record, "event", ""))
        body: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": event.says if event else record.getMessage(),
        }
        if event:
            body["event"] = event.name
            body |= {name: getattr(record, name) for name in event.fields if hasattr(record, name)}
        if record.exc_info:
            body["exception"] = self.formatException(record.exc_info)
        return json.dumps(body, ensure_ascii=False, default=str)
