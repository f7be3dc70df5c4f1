"""What makes two failures the same: the task, the exception, and the message without what differs each time."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["FailureGroup", "Failures", "Fingerprint", "fingerprint"]

LONGEST = 200  # characters of a message that count
_EXCEPTION = re.compile(r"(?P<name>[A-Z]\w*): (?P<message>.*)|(?P<alone>[A-Z]\w*(?:Error|Exception))", re.DOTALL)
_DIFFERS = re.compile(
    r"""(?P<url>\b[a-z][a-z0-9+.-]*://\S+)
    | (?P<email>[\w.+-]+@[\w-]+\.[\w.-]+)
    | (?P<uuid>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)
    | (?P<time>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)
    | (?P<text>(?<!\w)'[^'\n]*'(?!\w)|"[^"\n]*")
    | (?P<hex>\b0x[0-9a-f]+\b|\b(?=[a-f]*\d)[0-9a-f]{8,}\b)
    | (?P<path>(?<![\w/])/[\w.-]+(?:/[\w.-]+)+)
    | (?P<n>\d+(?:\.\d+)*)""",
    re.VERBOSE | re.IGNORECASE,
)


class Fingerprint(NamedTuple):
    """What failures of one kind have in common; `exception` is empty where the reason names none."""

    task: str
    exception: str
    message: str

    @property
    def id(self) -> str:
        """A short text that names it, the same on every machine."""
        return hashlib.sha256("\0".join(self).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures of one kind: how many, the first and the last (epoch ms), and the id of the last job."""

    fingerprint: Fingerprint
    count: int
    first: int
    last: int
    job_id: str


class Failures(NamedTuple):
    """Groups, the largest first; the newest `looked` of `total` failed jobs were read."""

    groups: list[FailureGroup]
    looked: int
    total: int


def fingerprint(task: str, reason: str) -> Fingerprint:
    """Return what a failure shares with others of its kind; `reason` as a job records it."""
    match = _EXCEPTION.fullmatch(reason)
    if match is None:
        return Fingerprint(task, "", _normalised(reason))
    return Fingerprint(task, match["name"] or match["alone"], _normalised(match["message"] or ""))


def _normalised(message: str) -> str:
    line = message.strip().partition("\n")[0][: 4 * LONGEST]
    return " ".join(_DIFFERS.sub(lambda found: f"<{found.lastgroup}>", line).split())[:LONGEST]
