"""The settings of jobs: where they live, and what holds for all of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, SecretStr

from toril.settings.environment import Variable
from toril.settings.forms import A_HOST, A_PORT, Host, Port, Zone, authority, hide, mask_url

__all__ = ["JobSettings"]


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class JobSettings(BaseModel):
    """Where jobs live, and what holds for all of them."""

    url: Annotated[
        SecretStr | None,
        Variable("TORIL_URL", "Jobs", "a store URL", example="sqlite:///toril.db", mask=mask_url),
    ] = None
    """The store, where jobs live. Without it: Redis if a Redis host is set, else `sqlite:///toril.db`."""

    prefix: Annotated[
        str,
        Field(pattern=r"^(?:[^\s:{}]+|\{[^\s:{}]+\})$"),
        Variable("TORIL_PREFIX", "Jobs", "text without spaces and colons; braces around all of it or none"),
    ] = "bull"
    """What the names of all keys begin with, as in BullMQ.
    In a Cluster it is put into braces, as `{bull}`: all queues share a slot."""

    app: Annotated[
        str | None, Variable("TORIL_APP", "Jobs", "module:name of an application", example="shop.jobs:app")
    ] = None
    """The application that commands such as `toril queues` look after. Without it: the store alone."""

    environment: Annotated[
        Literal["development", "production"],
        Variable("TORIL_ENVIRONMENT", "Jobs", "development or production"),
    ] = "production"
    """Where the application runs; in development some things are allowed that would be mistakes elsewhere."""

    timezone: Annotated[
        Zone,
        Variable("TORIL_TIMEZONE", "Jobs", "an IANA time zone such as Europe/Berlin"),
    ] = "UTC"
    """The zone of cron lines that name none."""

    max_job_size: Annotated[
        int | None,
        Field(ge=1),
        Variable("TORIL_MAX_JOB_SIZE", "Jobs", "bytes, 1 or more", example="1000000"),
    ] = None
    """How large a job's data may be where its queue and task say nothing of it. Without it: as large as they are."""

    sqlite_synchronous: Annotated[
        Literal["NORMAL", "FULL"],
        BeforeValidator(_upper),
        Variable("TORIL_SQLITE_SYNCHRONOUS", "Jobs", "NORMAL or FULL"),
    ] = "NORMAL"
    """What a power cut may take from a SQLite store: NORMAL the last 30 s or so, FULL nothing (slower)."""

    redis_queue_host: Annotated[Host | None, Variable("REDIS_QUEUE_HOST", "Redis", A_HOST, example="redis-queue")] = (
        None
    )
    """The Redis server of the queues, where it is not the one of the cache. Without it: `REDIS_HOST`."""

    redis_host: Annotated[Host | None, Variable("REDIS_HOST", "Redis", A_HOST, example="localhost")] = None
    """The Redis server."""

    redis_port: Annotated[Port, Variable("REDIS_PORT", "Redis", A_PORT)] = 6379
    """Its port."""

    redis_password: Annotated[SecretStr | None, Variable("REDIS_PASSWORD", "Redis", mask=hide)] = None
    """Its password."""

    redis_wait_replicas: Annotated[
        int | None,
        Field(ge=0),
        Variable("TORIL_REDIS_WAIT_REPLICAS", "Redis", "a whole number, 0 or more", example="1"),
    ] = None
    """How many replicas must have an add before it is acknowledged. Without it: 1 under Sentinels, else 0."""

    @property
    def store_url(self) -> str:
        """The store: TORIL_URL, else Redis at REDIS_QUEUE_HOST or REDIS_HOST, else `sqlite:///toril.db`.

        It holds the password: show it through `mask_url`.
        """
        if self.url:
            return self.url.get_secret_value()
        host = self.redis_queue_host or self.redis_host
        if host is None:
            return "sqlite:///toril.db"
        return f"redis://{authority(None, self.redis_password, host, self.redis_port)}"
