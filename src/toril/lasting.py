"""How long something takes, in words."""

from __future__ import annotations

__all__ = ["UNITS", "lasting"]

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))  # seconds
_MOST = 2  # units that are said


def lasting(seconds: float | None) -> str:
    """Return a length of time in the two largest units that say it: `840 ms`, `3.2 s`, `4 min 10 s`, `2 d 3 h`."""
    if seconds is None:
        return "not known"
    if seconds < 1:
        return f"{round(max(seconds, 0) * 1000)} ms"
    if seconds < UNITS[-1][0]:
        return f"{seconds:.3g} s"
    left, words = round(seconds), list[str]()
    for length, unit in (*UNITS, (1, "s")):
        if left >= length or (words and unit != "s"):
            number, left = divmod(left, length)
            words.append(f"{number} {unit}" if number else "")
        if len(words) == _MOST:
            break
    return " ".join(filter(None, words))
