"""The settings of workers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from toril.settings.environment import Variable
from toril.settings.forms import A_PORT, SECONDS, Port, Seconds

__all__ = ["WorkerSettings"]


class WorkerSettings(BaseModel):
    """How long a worker waits, and what its processes may use."""

    lease: Annotated[Seconds, Field(ge=1), Variable("TORIL_LEASE", "Worker", "seconds, 1 or more")] = 10.0
    """When a job's worker has given no sign of life for so long, another one may take the job over."""

    grace: Annotated[Seconds, Variable("TORIL_GRACE", "Worker", SECONDS)] = 30.0
    """How long a worker that is told to stop lets running jobs finish before it hands them back."""

    deploy_grace: Annotated[Seconds, Variable("TORIL_DEPLOY_GRACE", "Worker", SECONDS)] = 600.0
    """How long a job whose task no worker knows yet is put back before it fails."""

    loop_patience: Annotated[Seconds, Field(ge=1), Variable("TORIL_LOOP_PATIENCE", "Worker", "seconds, 1 or more")] = (
        60.0
    )
    """How long a worker's event loop may stand still (or twice its longest timeout) before its process is ended."""

    process_max_jobs: Annotated[
        int | None,
        Field(ge=1),
        Variable("TORIL_PROCESS_MAX_JOBS", "Worker", "a whole number, 1 or more", example="1000"),
    ] = None
    """How many jobs a process of `process=True` tasks runs before a fresh one takes its place. Without it: any."""

    process_max_rss: Annotated[
        int | None, Field(ge=1), Variable("TORIL_PROCESS_MAX_RSS", "Worker", "megabytes, 1 or more", example="500")
    ] = None
    """What such a process may hold after a job before a fresh one takes its place (Linux only). Without it: any."""

    email_queue_concurrency: Annotated[
        int, Field(ge=1), Variable("EMAIL_QUEUE_CONCURRENCY", "Worker", "a whole number, 1 or more")
    ] = 5
    """How many mails of a kind (transactional, subscribed) one worker process sends at once, unless told otherwise."""

    worker_health_check_port: Annotated[
        Port | None, Variable("WORKER_HEALTH_CHECK_PORT", "Worker", A_PORT, example="3001")
    ] = None
    """Where `toril worker` answers `GET /health` and `/metrics`. Without it: nowhere."""
