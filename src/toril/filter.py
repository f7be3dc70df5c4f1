"""The one language in which jobs are looked for: `state:failed name:report* data.user:42 error:timeout since:1h`.

Words are divided by spaces and all must be true. A value that has a space or a colon stands in double quotes.

* `id:welcome-42`          the job of that id
* `state:failed,delayed`   in one of these states; without it: any
* `name:report*`           the task's name; `*` stands for anything
* `data.user.id:42`        what the data hold at that path; of a list, any item; `*` as for names
* `error:timeout`          text within the reason of its last failure, whatever the case
* `since:1h`, `until:30m`  within the last hour, not within the last 30 minutes (s, m, h, d, w), or a date, or a moment
  (`2026-01-31T09:00+01:00`; UTC if no zone is given): when it ended or started, is due, or else was added
* `timeout`                text within name, data or reason, whatever the case
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from toril.errors import InvalidFilter
from toril.job import JobRecord, JobState
from toril.json import decode, dump

__all__ = ["Filter", "Hints", "parse", "span"]

_WORD = re.compile(r'(?:(?P<field>[A-Za-z_][^\s":]*):)?(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s"]*))(?=\s|$)')
_SPAN = re.compile(r"(\d{1,9})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_FIELDS = ("id", "state", "name", "data.…", "error", "since", "until")
_PLAIN = re.compile(r"[A-Za-z0-9 _.@:,=#-]+")  # what every JSON writer leaves as it is
_ASCII = re.compile(r"[ -~]+")
_OF_A_NUMBER = re.compile(r"[0-9.e-]+")  # 1.50 and 15e-1 are found as 1.5
_WHOLE = re.compile(r"-?[0-9]+")


class Hints(NamedTuple):
    """Texts that stand in whatever matches, so that a store can pass over most jobs unread; empty: none is known.

    name: within the name. data: within the data's JSON, unless that has a `\\u00`. error: within the reason, text:
    within name, data or reason, in ASCII's lower case, unless these have other characters.
    """

    name: str
    data: str
    error: str
    text: str


@dataclass(frozen=True, slots=True)
class Filter:
    """What a job must be like. Times are epoch milliseconds: `since` belongs to it, `until` does not."""

    id: str | None = None
    states: tuple[JobState, ...] = ()
    name: str | None = None
    data: tuple[tuple[tuple[str, ...], str], ...] = ()
    errors: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None

    @property
    def hints(self) -> Hints:
        """The longest text of each kind."""
        name = max((self.name or "").split("*"), key=len)
        data = max((_in_json(pattern) for _, pattern in self.data), key=len, default="")
        return Hints(name, data, _longest(_ASCII, *self.errors), _longest(_ASCII, *self.texts))

    def matches(self, job: JobRecord) -> bool:
        """Return whether a job is like that."""
        at = _time(job)
        return (
            (self.id is None or job.id == self.id)
            and (not self.states or job.state in self.states)
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
            and (self.name is None or _like(self.name, job.name))
            and all(error in (job.reason or "").casefold() for error in self.errors)
            and all(text in f"{job.name}\n{job.data}\n{job.reason or ''}".casefold() for text in self.texts)
            and (not self.data or self._has_data(job))
        )

    def _has_data(self, job: JobRecord) -> bool:
        try:
            data = decode(job.data)
        except ValueError:  # somebody else wrote it
            return False
        return all(any(_like(pattern, found) for found in _at(data, path)) for path, pattern in self.data)


def parse(text: str, now: int) -> Filter:
    """Read a filter; `now` (epoch milliseconds) is what `1h` counts from. Raises InvalidFilter."""
    found: dict[str, Any] = {}
    for field, value in _words(text):
        if field is None:
            found["texts"] = (*found.get("texts", ()), value.casefold())
        elif not value:
            raise InvalidFilter(f"{field}: expected a value behind the colon")
        elif field == "error":
            found["errors"] = (*found.get("errors", ()), value.casefold())
        elif field.startswith("data."):
            found["data"] = (*found.get("data", ()), (_path(field), value))
        elif field in found or (field == "state" and "states" in found):
            raise InvalidFilter(f"{field}: expected once, got it twice")
        elif field == "state":
            found["states"] = _states(value)
        elif field in {"since", "until"}:
            found[field] = _moment(field, value, now)
        elif field in {"id", "name"}:
            found[field] = value
        else:
            raise InvalidFilter(
                f"{field}: no such field (known: {', '.join(_FIELDS)}); text that has a colon stands in double quotes"
            )
    return Filter(**found)


def span(text: str) -> int | None:
    """Return the seconds that `30s`, `30m`, `1h`, `7d` or `2w` stand for; None if it is no such text."""
    found = _SPAN.fullmatch(text)
    return int(found[1]) * _SECONDS[found[2]] if found else None


def _words(text: str) -> Iterator[tuple[str | None, str]]:
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _WORD.match(text, position)
        if match is None:
            raise InvalidFilter(
                f'filter: expected a word, or text between two double quotes, at "{text[position:][:40]}"'
            )
        quoted = match["quoted"]
        yield match["field"], match["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        position = match.end()


def _states(value: str) -> tuple[JobState, ...]:
    try:
        return tuple(JobState(word) for word in value.split(","))
    except ValueError:
        raise InvalidFilter(f"state: expected one or more of {', '.join(JobState)}, got {value!r}") from None


def _path(field: str) -> tuple[str, ...]:
    path = tuple(field.split(".")[1:])
    if not all(path):
        raise InvalidFilter(f"{field}: expected names divided by single dots, such as data.user.id")
    return path


def _moment(field: str, value: str, now: int) -> int:
    if (seconds := span(value)) is not None:
        return now - seconds * 1000
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidFilter(
            f"{field}: expected a span such as 30m, 1h or 7d, a date or a moment (2026-01-31T09:00), got {value!r}"
        ) from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _time(job: JobRecord) -> int:
    """Return when a job ended, started or is due, whatever its state tells; else when it was added."""
    match job.state:
        case JobState.COMPLETED | JobState.FAILED:
            return job.finished_on or job.timestamp
        case JobState.ACTIVE:
            return job.processed_on or job.timestamp
        case JobState.DELAYED:
            return job.due or job.timestamp
    return job.timestamp


def _like(pattern: str, value: str) -> bool:
    if "*" not in pattern:
        return pattern == value
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value, re.DOTALL) is not None


def _longest(pattern: re.Pattern[str], *texts: str) -> str:
    return max((run for text in texts for run in pattern.findall(text)), key=len, default="")


def _in_json(pattern: str) -> str:
    """Return text that stands in JSON that has a value of that pattern, or nothing."""
    found = _longest(_PLAIN, pattern)
    return "" if _OF_A_NUMBER.fullmatch(found) and not _WHOLE.fullmatch(pattern) else found


def _at(value: Any, path: Sequence[str]) -> Iterator[str]:
    """Yield as text what stands at a path; of a list that which stands at it in any item, or at an index."""
    if isinstance(value, list):
        if path and path[0].isdecimal() and int(path[0]) < len(value):
            yield from _at(value[int(path[0])], path[1:])
        for item in value:
            yield from _at(item, path)
    elif path:
        if isinstance(value, dict) and path[0] in value:
            yield from _at(value[path[0]], path[1:])
    elif isinstance(value, str):
        yield value
    elif not isinstance(value, dict):
        yield dump(value)
