"""What a server's reply means: a code without personal data, and the time after which to try again."""

from __future__ import annotations

import re

from toril.messaging.transport.base import Busy, NotSent
from toril.messaging.transport.transcript import cleaned

__all__ = ["named_pause", "refusal"]

_PERMANENT = 500
_CLOSING = 421  # RFC 5321 4.2.3: service not available, closing
_LONGEST_PAUSE = 86_400.0  # seconds
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
# As Gmail, Outlook, Yahoo, Postfix, Exim, Amazon and the providers' relays put it.
_CROWDED = re.compile(
    r"too many (?:concurrent |simultaneous |open |smtp |inbound )*(?:connections|sessions|messages|mails|requests)"
    r"|connection (?:rate|count|limit)|rate[ -]?limit|throttl|maximum sending rate|too fast|slow down"
    r"|temporarily deferred|concurren(?:t|cy) (?:connections?|limit)",
    re.IGNORECASE,
)
_UNITS = {"s": 1, "m": 60, "h": 3600}
_SPAN = r"(?P<number>\d{1,6})\s*(?P<unit>s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)\b(?!\s*ago)"
_CLOCK = r"(?P<hours>\d{1,2}):(?P<minutes>\d{2})(?::(?P<seconds>\d{2}))?\b"
_AGAIN = r"\b(?:again|retry|retries|wait|delay(?:ed)?|defer(?:red)?|back|come back|greylist(?:ed|ing)?)\b"
_PAUSE = re.compile(rf"{_AGAIN}.{{0,60}}?\b(?:{_SPAN}|{_CLOCK})", re.IGNORECASE | re.DOTALL)


def refusal(code: int, text: str, *, permanent: bool | None = None, unreachable: bool = False) -> NotSent:
    """Return what an SMTP reply that says no means; 5xx is permanent unless told otherwise.

    A server that has too much to do (421, or words to that effect) is Busy: the mail is not at fault.
    """
    enhanced = _ENHANCED.match(text)
    short = f"{code} {enhanced.group()}" if enhanced else str(code)
    whole = cleaned(f"{code} {text}")
    if permanent is None:
        permanent = code >= _PERMANENT
    pause = None if permanent else named_pause(text)
    if code == _CLOSING or (code < _PERMANENT and _CROWDED.search(text)):
        return Busy(short, whole, retry_after=pause)
    return NotSent(short, whole, permanent=permanent, retry_after=pause, unreachable=unreachable)


def named_pause(text: str) -> float | None:
    """Return the seconds after which a server says that one may try again, a day at most; None if it names none."""
    found = _PAUSE.search(text)
    if found is None:
        return None
    if found["number"]:
        seconds = int(found["number"]) * _UNITS[found["unit"][0].lower()]
    else:
        first, second, third = found["hours"], found["minutes"], found["seconds"]
        # "00:05:00" is hours, minutes, seconds; "04:59" minutes and seconds.
        parts = (first, second, third) if third else ("0", first, second)
        seconds = int(parts[0]) * 3600 + int(parts[1]) * 60 + int(parts[2])
    return min(float(seconds), _LONGEST_PAUSE) or None
