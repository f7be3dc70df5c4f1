"""Adding jobs over HTTP, from an application in any language."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from toril.budget import Budget
from toril.checks import LARGEST
from toril.dedup import Dedup
from toril.retry import Exponential, Fixed
from toril.web.api.queues import Model, QueueName
from toril.web.api.shapes import JobRef
from toril.web.api.table import Routes
from toril.web.gate import SEND, TheDesk, Who
from toril.web.idempotency import IdempotencyKey, key_digest, once

__all__ = ["routes"]

YEARS = 3_153_600_000  # seconds: a century
Span = Annotated[float, Field(ge=0, le=YEARS)]
routes = Routes("jobs")


class BackoffModel(Model):
    """The wait before each retry, in seconds: the same each time, or twice as long each time."""

    type: Literal["fixed", "exponential"]
    seconds: float = Field(ge=0, le=YEARS)
    jitter: float = Field(0.0, ge=0, le=1)
    maximum: float | None = Field(None, ge=0, le=YEARS, description="Of exponential: seconds at most.")

    def read(self) -> Fixed | Exponential:
        """Return the rule."""
        if self.type == "fixed":
            return Fixed(self.seconds, self.jitter)
        return Exponential(self.seconds, self.jitter, self.maximum)


class DedupModel(Model):
    """A key that one job of the queue holds at a time."""

    id: str = Field(min_length=1, max_length=255)
    ttl: float | None = Field(None, gt=0, le=YEARS, description="Seconds.")
    extend: bool = False
    replace: bool = False
    keep_last: bool = False


class BudgetModel(Model):
    """At most `limit` jobs are added in `per` seconds, for each value at `key` in the data."""

    limit: int = Field(ge=1, le=LARGEST)
    per: float = Field(gt=0, le=YEARS)
    key: str | None = Field(None, max_length=255, examples=["data.user_id"])


class OptionsModel(Model):
    """What is said of a job; what is not given is as its queue and task declare it."""

    attempts: int | None = Field(None, ge=1, le=1_000_000)
    backoff: BackoffModel | None = None
    priority: int | None = Field(None, ge=0, le=2_097_151)
    delay: Span | None = None
    run_at: AwareDatetime | None = None
    timeout: float | None = Field(None, gt=0, le=YEARS)
    lifo: bool | None = None
    job_id: str | None = Field(None, min_length=1, max_length=255)
    max_stalls: int | None = Field(None, ge=0, le=1_000_000)
    keep_completed: int | None = Field(None, ge=0, le=LARGEST)
    keep_failed: int | None = Field(None, ge=0, le=LARGEST)
    expires: float | None = Field(None, gt=0, le=YEARS)
    dedup: DedupModel | None = None
    budget: BudgetModel | None = None

    def read(self) -> dict[str, Any]:
        """Return the options as `Queue.add` takes them."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if self.backoff:
            given["backoff"] = self.backoff.read()
        if self.dedup:
            given["dedup"] = Dedup(**self.dedup.model_dump())
        if self.budget:
            given["budget"] = Budget(**self.budget.model_dump())
        if isinstance(self.run_at, datetime):
            given["run_at"] = self.run_at
        return {name: value for name, value in given.items() if value is not None}


class NewJob(Model):
    """A job to be added."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"name": "welcome", "data": {"to": "ana@example.com"}, "options": {"delay": 60, "attempts": 3}}
        },
    )

    name: str = Field(min_length=1, max_length=255)
    data: Any = Field(default_factory=dict)
    options: OptionsModel = Field(default_factory=lambda: OptionsModel.model_validate({}))


class Added(JobRef):
    """The job that was added, or that holds its id or its key already."""


@routes.post("/queues/{queue}/jobs", dependencies=SEND, status_code=201, response_model=Added)
async def add_job(desk: TheDesk, who: Who, queue: QueueName, body: NewJob, key: IdempotencyKey = None) -> BaseModel:
    """Add a job. If this application has a task of that name, the data are checked as its arguments."""
    options = body.options.read()
    if key is not None and "job_id" not in options:  # so that a request that was cut off adds nothing twice
        options["job_id"] = f"key-{key_digest(who, queue + key)}"

    async def act() -> Added:
        async with desk.audit.acting(who, "add", queue, detail=body.name) as audit:
            job = await desk.app.queue(queue).add(body.name, body.data, **options)
            audit.ids = [job.id]
        return Added(queue=queue, id=job.id, name=job.name)

    return await once(desk, who, key, body, Added, act)
