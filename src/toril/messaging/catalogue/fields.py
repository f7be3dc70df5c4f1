"""What the fields of the built-in contexts have in common."""

from __future__ import annotations

import re
from datetime import date, time
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints

__all__ = ["Amount", "Count", "Currency", "Day", "Line", "Minutes", "Moment", "Note", "TimeOfDay"]

_TWELVE_HOURS = re.compile(r"(\d{1,2}):(\d{2})\s*([AP])\.?M\.?", re.IGNORECASE)
_NOON = 12


def _clock(value: Any) -> Any:
    """Return "9:30 AM" as pydantic reads times, and all else as it is."""
    found = _TWELVE_HOURS.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found or not 1 <= int(found[1]) <= _NOON:
        return value
    hour = int(found[1]) % _NOON + (_NOON if found[3].upper() == "P" else 0)
    return f"{hour:02}:{found[2]}"


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
"""A name or a few words."""

Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
"""A paragraph."""

Amount = Annotated[Decimal, Field(allow_inf_nan=False)]
"""An amount of money in the currency beside it."""

Currency = Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")]
"""An ISO 4217 code such as EUR or VND."""

Count = Annotated[int, Field(gt=0)]
Minutes = Annotated[int, Field(gt=0)]

Day = date
TimeOfDay = Annotated[time, BeforeValidator(_clock)]
"""A time on the clock of the place where the recipient has to be: "09:30" or "9:30 AM"."""

Moment = AwareDatetime
"""A datetime with a time zone, in which it is shown."""
