"""What can be said about a job: `Options` as the caller writes them, `Policy` as the job carries them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, TypedDict, get_args

from toril.budget import Budget
from toril.checks import epoch, flag, instance, moment, optional, seconds, span, whole
from toril.dedup import Dedup
from toril.errors import DataTooLarge, InvalidOption
from toril.job import FAILURE_FLAGS, IfFailed, check_job_id
from toril.json import decode, dump
from toril.keep import KEEP_COMPLETED, KEEP_FAILED, Keep, check_keep, keep_from_json, keep_to_json
from toril.retry import Backoff, Exponential, Fixed, OwnBackoff, backoff_from_json, backoff_to_json

__all__ = [
    "KEEP_COMPLETED",
    "KEEP_FAILED",
    "LOG_LINES",
    "Keep",
    "Options",
    "Policy",
    "TaskOptions",
    "carried",
    "check_options",
    "declared",
    "resolve",
]

LOWEST_PRIORITY = 2**21 - 1  # BullMQ: a larger one does not fit into its score
LOG_LINES = 1_000


class TaskOptions(TypedDict, total=False):
    """What a queue or a task may declare for its jobs.

    attempts: runs at most, the first included (1 or more; default 1: no retry).
    backoff: Fixed, Exponential, or on a task a function of the attempt that failed, returning seconds or None.
    priority: 0 none, taken first in order of arrival; 1 highest … 2,097,151 lowest.
    timeout: seconds that one run may take; None: no limit.
    keep_completed, keep_failed: how many finished jobs stay (a count, an age as timedelta, or Keep); 0: none.
    max_stalls: how often a job may lose its worker before it fails (default 3).
    keep_logs: log lines of a job that stay, the newest ones (1 or more; default 1,000).
    max_size: bytes of JSON that the data may have; None: no limit (default: the setting TORIL_MAX_JOB_SIZE).
    budget: how many jobs may be added within a time, see Budget.
    expires: seconds or a timedelta from the add, or a datetime with a time zone: a job of which no attempt has been
        made by then fails as expired; None: never.
    own_trace: whether each run begins a trace of its own, with a link to where the job was added, instead of going on
        with that trace (default False). BullMQ's omitContext.
    """

    attempts: int
    backoff: Backoff | OwnBackoff | None
    priority: int
    timeout: float | timedelta | None
    keep_completed: int | timedelta | Keep
    keep_failed: int | timedelta | Keep
    max_stalls: int
    keep_logs: int
    max_size: int | None
    budget: Budget | None
    expires: float | timedelta | datetime | None
    own_trace: bool


class Options(TaskOptions, total=False):
    """What one job may say beyond its task.

    delay: seconds or a timedelta before it may run.
    run_at: the moment (with a time zone) before which it does not run.
    lifo: taken before those that wait already.
    job_id: an id of your own; if the queue has a job of that id, that job is returned and nothing is added.
    if_failed: what becomes of its parent in a flow if it fails for good. `wait` (default): the parent waits until this
        job is retried or removed; `fail_parent`: it fails; `continue_parent`: it runs at once, whatever else is
        pending; `ignore_dependency`: it waits for the others alone and is told; `remove_dependency`: nor is it told.
    dedup: a key that one job of the queue holds at a time, see Dedup.
    """

    delay: float | timedelta
    run_at: datetime
    lifo: bool
    job_id: str | None
    if_failed: IfFailed
    dedup: Dedup | None


@dataclass(frozen=True, slots=True)
class Policy:
    """The resolved options of a job, written with it in BullMQ's own words (`opts`)."""

    attempts: int = 1
    backoff: Backoff | OwnBackoff | Literal["task"] | None = None  # task: by a rule that only its task knows
    priority: int = 0
    timeout: float | None = None
    keep_completed: Keep = KEEP_COMPLETED
    keep_failed: Keep = KEEP_FAILED
    max_stalls: int = 3
    keep_logs: int = LOG_LINES
    max_size: int | None = None
    budget: Budget | None = None
    expires: float | datetime | None = None
    delay: float = 0.0
    run_at: int | None = None
    lifo: bool = False
    dedup: Dedup | None = None
    job_id: str | None = None
    if_failed: IfFailed = "wait"
    own_trace: bool = False
    missed: str | None = None  # set by schedules alone
    trace: str | None = None  # the context in which it was added and goes on; set by tracing alone
    link: str | None = None  # the same for one whose runs begin traces of their own

    def to_json(self) -> str:
        """Return the `opts` that travel with the job; times in milliseconds, ages in seconds, as BullMQ has them."""
        body: dict[str, Any] = {"attempts": self.attempts}
        if self.backoff == "task" or callable(self.backoff):
            body["backoff"] = {"type": "task"}
        elif self.backoff is not None:
            body["backoff"] = backoff_to_json(self.backoff)
        if self.priority:
            body["priority"] = self.priority
        if self.delay:
            body["delay"] = round(self.delay * 1000)
        if self.lifo:
            body["lifo"] = True
        if self.if_failed != "wait":
            body[FAILURE_FLAGS[self.if_failed]] = True
        if self.dedup:
            body["de"] = self.dedup.to_json()
        body["removeOnComplete"] = keep_to_json(self.keep_completed)
        body["removeOnFail"] = keep_to_json(self.keep_failed)
        if self.keep_logs != LOG_LINES:
            body["kl"] = self.keep_logs
        if self.own_trace:
            body["omc"] = True
        return dump({**body, "toril": self._own_json()})

    def _own_json(self) -> dict[str, Any]:
        """Return what BullMQ has no word for."""
        own: dict[str, Any] = {"stalls": self.max_stalls}
        if self.timeout:
            own["timeout"] = round(self.timeout * 1000)
        if isinstance(self.expires, datetime):
            own["expiresAt"] = epoch(self.expires)
        elif self.expires is not None:
            own["expires"] = round(self.expires * 1000)
        if self.missed:
            own["missed"] = self.missed
        if self.link:
            own["link"] = self.link
        return own

    def expires_at(self, now: int) -> int | None:
        """Return when a job that is added at `now` (or made for that time) expires, in epoch milliseconds, or None."""
        if isinstance(self.expires, datetime):
            return epoch(self.expires)
        return None if self.expires is None else now + round(self.expires * 1000)

    def check_size(self, name: str, data: str) -> None:
        """Raise DataTooLarge if the data of a job of that name are larger than `max_size`."""
        if self.max_size is not None and (size := len(data.encode())) > self.max_size:
            raise DataTooLarge(f"{name}: data of {size:,} bytes, expected at most {self.max_size:,} (max_size)")

    @staticmethod
    @lru_cache(maxsize=4096)
    def from_json(text: str) -> Policy:
        """Read the `opts` of a job, whoever wrote it; raise ValueError if they cannot be understood."""
        try:
            return _policy_from_json(decode(text))
        except (ArithmeticError, AttributeError, TypeError, ValueError, InvalidOption) as error:
            raise ValueError(f"opts: expected BullMQ's, got {text[:80]} ({error})") from None


def _policy_from_json(body: dict[str, Any]) -> Policy:
    own, backoff = body.get("toril") or {}, body.get("backoff")
    return Policy(
        attempts=max(int(body.get("attempts") or 1), 1),
        backoff=backoff_from_json(backoff) if backoff else None,
        priority=int(body.get("priority") or 0),
        timeout=own["timeout"] / 1000 if "timeout" in own else None,
        keep_completed=keep_from_json(body.get("removeOnComplete")),
        keep_failed=keep_from_json(body.get("removeOnFail")),
        max_stalls=int(own.get("stalls", 3)),
        delay=(body.get("delay") or 0) / 1000,
        keep_logs=max(int(body.get("kl") or LOG_LINES), 1),
        expires=_expires_from_json(own),
        lifo=bool(body.get("lifo")),
        if_failed=next((word for word, flag in FAILURE_FLAGS.items() if body.get(flag)), "wait"),
        own_trace=bool(body.get("omc")),
        missed=own.get("missed"),
        trace=_text(body.get("tm")),
        link=_text(own.get("link")),
    )


def declared(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a queue or a task declares; raise InvalidOption for what only one job can say of itself."""
    for name in options:
        if name in Options.__annotations__ and name not in TaskOptions.__annotations__:
            raise InvalidOption(f"{name}: belongs to one job, expected in using(...) or add(...)")
    return options


def carried(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what one job says of itself; raise InvalidOption for what no store can carry."""
    if callable(options.get("backoff")):
        raise InvalidOption("backoff: expected Fixed(…) or Exponential(…) here; a function belongs to @app.task")
    return options


def resolve(*layers: Mapping[str, Any]) -> Policy:
    """Merge options, the later ones winning (queue, task, call); raise InvalidOption that names the field."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged.update(layer)
    for name, value in merged.items():
        check = _CHECKS.get(name)
        if check is None:
            near = difflib.get_close_matches(name, _CHECKS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise InvalidOption(f"{name}: no such option (known: {', '.join(_CHECKS)}){hint}")
        merged[name] = check(name, value)
    if merged.get("delay") and merged.get("run_at"):
        raise InvalidOption("delay, run_at: expected one of them, got both")
    return Policy(**merged)


def check_options(**options: object) -> dict[str, Any]:
    """Return single options as numbers that a store can hold, those that are None left out; raise InvalidOption."""
    return {name: _CHECKS[name](name, value) for name, value in options.items() if value is not None}


def _expires(name: str, value: object) -> float | datetime:
    if not isinstance(value, datetime):
        return span(name, value)
    moment(name, value)
    return value


def _backoff(name: str, value: object) -> Backoff | OwnBackoff | None:
    if value is None or isinstance(value, (Fixed, Exponential)) or callable(value):
        return value
    raise InvalidOption(f"{name}: expected Fixed(…), Exponential(…) or a function, got {value!r}")


def _if_failed(name: str, value: object) -> object:
    words = get_args(IfFailed)
    if value not in words:
        raise InvalidOption(f"{name}: expected one of {', '.join(words)}, got {value!r}")
    return value


def _id(name: str, value: Any) -> str | None:
    del name
    return None if value is None else check_job_id(value)


_CHECKS: dict[str, Any] = {
    "attempts": whole(1),
    "backoff": _backoff,
    "priority": whole(0, LOWEST_PRIORITY),
    "timeout": optional(span),
    "keep_completed": check_keep,
    "keep_failed": check_keep,
    "max_stalls": whole(0),
    "keep_logs": whole(1),
    "max_size": optional(whole(1)),
    "budget": optional(instance(Budget, "Budget(limit, per=…, key=…)")),
    "expires": optional(_expires),
    "delay": seconds,
    "run_at": moment,
    "lifo": flag,
    "dedup": optional(instance(Dedup, "Dedup(id, …)")),
    "job_id": _id,
    "if_failed": _if_failed,
    "own_trace": flag,
}
assert [*_CHECKS, "missed", "trace", "link"] == [field.name for field in fields(Policy)]


def _expires_from_json(own: Mapping[str, Any]) -> float | datetime | None:
    if "expiresAt" in own:
        return datetime.fromtimestamp(own["expiresAt"] / 1000, UTC)
    return own["expires"] / 1000 if "expires" in own else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
