"""What the admin API sends of queues and jobs. Times are epoch milliseconds, as in BullMQ; spans are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from toril.handle import Job
from toril.json import decode
from toril.web.auth import Principal
from toril.web.masking import shown_data, shown_text

__all__ = ["JobPageOut", "JobRef", "JobSummary", "options_of", "summary"]


class JobRef(BaseModel):
    """Which job."""

    queue: str
    id: str
    name: str


class JobSummary(JobRef):
    """A job in a list."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "queue": "emails", "id": "1042", "name": "welcome", "state": "failed", "priority": 0,
                "data": {"to": "a***@example.com"}, "timestamp": 1_800_000_000_000, "due": None, "attempts": 3,
                "starts": 3, "stalls": 0, "processed_on": 1_800_000_004_000, "finished_on": 1_800_000_004_200,
                "progress": None, "reason": "ConnectionError: refused", "parent": None, "schedule": None,
            }
        }
    )  # fmt: skip

    state: str
    priority: int = Field(description="0: none, taken first; 1 highest … 2,097,151 lowest.")
    data: Any = Field(description="With secrets masked.")
    timestamp: int = Field(description="When it was added.")
    due: int | None = Field(description="When it is delayed: until then.")
    attempts: int = Field(description="Runs that ended by themselves.")
    starts: int
    stalls: int = Field(description="Runs whose worker was lost.")
    processed_on: int | None
    finished_on: int | None
    progress: Any
    reason: str | None = Field(description="Why its last run failed.")
    parent: str | None = Field(description="`queue:id` of the job that waits for it.")
    schedule: str | None


class JobPageOut(BaseModel):
    """A page of jobs; `after`, if there is one, is what the next page is asked for with."""

    jobs: list[JobSummary]
    after: str | None
    looked: int = Field(description="Jobs that were looked at since the first page.")
    total: int = Field(description="Jobs in the states that are looked for.")


def summary(job: Job[Any], who: Principal) -> dict[str, Any]:
    """Return what a list shows of a job."""
    record = job.record
    return {
        "queue": record.queue,
        "id": record.id,
        "name": record.name,
        "state": record.state,
        "priority": record.priority,
        "data": shown_data(record.data, who),
        "timestamp": record.timestamp,
        "due": record.due,
        "attempts": record.attempts,
        "starts": record.starts,
        "stalls": record.stalls,
        "processed_on": record.processed_on,
        "finished_on": record.finished_on,
        "progress": shown_data(record.progress, who),
        "reason": None if record.reason is None else shown_text(record.reason, who),
        "parent": record.parent,
        "schedule": record.schedule,
    }


def options_of(text: str) -> Mapping[str, Any]:
    """Return a job's options as it carries them, in BullMQ's words; empty if they cannot be read."""
    try:
        found = decode(text)
    except ValueError:  # somebody else's
        return {}
    return found if isinstance(found, dict) else {}
