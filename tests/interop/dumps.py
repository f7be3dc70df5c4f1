"""The whole key space of a queue as plain values that can be compared."""

from __future__ import annotations

import json
import re
from typing import Any

import redis

from redis_servers import read_all

__all__ = ["Dump", "dump", "lines", "normal"]

Dump = dict[str, Any]
TIME = re.compile(r"1[6-9]\d{11}(?!\d)")  # epoch milliseconds of our days
SCORE = 4096  # of a delayed job, to the millisecond


def dump(client: redis.Redis, prefix: str, queue: str) -> Dump:
    """Return every key of a queue: what follows `<prefix>:<queue>:`, and its value."""
    found = read_all(client, f"{prefix}:{queue}")
    return {key.removeprefix(f"{prefix}:{queue}:"): value for key, value in found.items()}


def lines(events: list[dict[str, str]]) -> list[str]:
    """Return events as texts: `event field value …`."""
    return [" ".join([fields["event"], *(f"{k} {v}" for k, v in fields.items() if k != "event")]) for fields in events]


def normal(found: Dump, prefix: str) -> Dump:
    """Return a dump without what must differ between two runs or two engines.

    Times are `T`, the prefix is `P`, what an interval leaves of its first time is `O`; who ran a job is `someone`; a reason is without the class of the error, and of
    stack traces their number is left. What Toril has to say for itself within `opts`, and the name and version of the
    library, are left out.
    """

    def timeless(value: Any) -> Any:
        if isinstance(value, dict):
            return {timeless(key): timeless(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [timeless(inner) for inner in value]
        if isinstance(value, bool) or not isinstance(value, str | int):
            return value
        text = TIME.sub("T", str(value)).replace(f"{prefix}:", "P:")
        return text if text != str(value) else value

    return {timeless(key): timeless(_plain(key, value)) for key, value in found.items()}


def _plain(key: str, value: Any) -> Any:  # noqa: PLR0911  (a shape a line)
    match key, value:
        case "delayed", dict():
            return {member: f"{int(score) // SCORE} * {SCORE}" for member, score in value.items()}
        case "meta", dict():
            return {field: text for field, text in value.items() if field != "version"}
        case "events", list():
            return [_reason(fields) for fields in value]
        case _, dict() if key.endswith(":failed"):
            return {child: _bare(reason) for child, reason in value.items()}
        case _, {"ic": _, "offset": _}:
            return {**value, "offset": "O", "opts": json.loads(value.get("opts", "{}"))}
        case _, {"name": _, "data": _, "timestamp": _}:
            return _job(value)
        case _, dict():  # a hash, or a sorted set, whose scores are whole numbers
            return {member: int(score) if isinstance(score, float) else score for member, score in value.items()}
        case _:
            return value


def _job(fields: dict[str, str]) -> dict[str, Any]:
    job: dict[str, Any] = _reason(fields)
    if "opts" in job:
        job["opts"] = {name: value for name, value in json.loads(job["opts"]).items() if name != "toril"}
        job["opts"].get("repeat", {}).pop("offset", None)
    for name in ("data", "parent", "returnvalue", "progress"):
        if name in job:
            job[name] = json.loads(job[name])
    if "rjk" in job and job["delay"] != "0":
        job["delay"] = job["opts"]["delay"] = "until its tick"
    elif "delay" in job:
        job["delay"] = str(round(int(job["delay"]), -2))  # Toril's server counts it, from when it arrived
    if "stacktrace" in job:
        job["stacktrace"] = len(json.loads(job["stacktrace"]))
    if "pb" in job:
        job["pb"] = "someone"
    return job


def _reason(fields: dict[str, str]) -> dict[str, str]:
    return {name: _bare(text) if name == "failedReason" else text for name, text in fields.items()}


def _bare(reason: str) -> str:
    """Take the class from a reason: Python's errors say it, Node's do not."""
    return re.sub(r"^\w+: ", "", reason)
