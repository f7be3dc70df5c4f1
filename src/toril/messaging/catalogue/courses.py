"""Mail about courses."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from toril.messaging.catalogue.fields import Day, Line
from toril.messaging.message import Context, WebURL

__all__ = ["CourseCompletion", "EnrolmentReminder"]


class CourseCompletion(Context, kind="transactional", priority=3):
    """Somebody has finished a course; `link` shows the certificate."""

    name: Line
    course: Line
    completed_on: Day
    link: WebURL
    grade: Line | None = None


class EnrolmentReminder(Context, kind="subscribed", priority=3, category="reminders"):
    """A course waits for somebody who enrolled; `progress` is in per cent, `link` leads to where they left it."""

    name: Line
    course: Line
    link: WebURL
    progress: Annotated[int, Field(ge=0, le=100)] = 0
    enrolled_on: Day | None = None
