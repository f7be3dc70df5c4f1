"""Languages: which files a mail's locale may take, and how it writes money, numbers, dates and times."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import jinja2
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_currency, format_decimal
from babel.units import format_unit

from toril.errors import InvalidOption

__all__ = ["FILTERS", "SOURCE", "Choice", "choices", "normal"]

SOURCE = "en"
"""The language of files without a locale in their name."""

Length = Literal["short", "medium", "long", "full"]
_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")


class Choice(NamedTuple):
    """`suffix` stands in the names of files that are in `locale`: `.vi` in `body.vi.html`."""

    suffix: str
    locale: str


@lru_cache(maxsize=1024)
def normal(tag: str) -> str:
    """Return a language tag such as `vi` or `pt-BR` as CLDR knows it: without what says nothing to it.

    Raises InvalidOption for what is no language tag.
    """
    if not isinstance(tag, str) or not _TAG.fullmatch(tag):
        raise InvalidOption(f"locale: expected a language tag such as vi or pt-BR, got {tag!r}")
    for known in (tag, tag.replace("_", "-").partition("-")[0]):
        try:
            return str(Locale.parse(known.replace("_", "-"), sep="-")).replace("_", "-")
        except (UnknownLocaleError, ValueError):
            continue
    return SOURCE


def choices(locale: str, default: str) -> Sequence[Choice]:
    """Return what to take for a recipient of `locale`, best first: their language, the sender's, English."""
    found: dict[str, str] = {}
    for tag in (normal(locale), normal(default), SOURCE):
        language = tag.partition("-")[0]
        found.setdefault(f".{tag}", tag)
        found.setdefault(f".{language}", tag)
        if language == SOURCE:
            found.setdefault("", tag)
    return [Choice(suffix, tag) for suffix, tag in found.items()]


@lru_cache(maxsize=1024)
def _rules(tag: str) -> Locale:
    return Locale.parse(tag, sep="-")


# Each is asked for by the HTML and by the text of a mail, so a value is written once.


@lru_cache(maxsize=4096)
def _money(tag: str, amount: Decimal, currency: str) -> str:
    return format_currency(amount, currency, locale=_rules(tag))


@lru_cache(maxsize=4096)
def _number(tag: str, value: Decimal | float) -> str:
    return format_decimal(value, locale=_rules(tag))


@lru_cache(maxsize=4096)
def _date(tag: str, value: date, length: Length = "long") -> str:
    return format_date(value, length, locale=_rules(tag))


@lru_cache(maxsize=4096)
def _time(tag: str, value: time, length: Length = "short") -> str:
    return format_time(value, length, locale=_rules(tag))


def _datetime(tag: str, value: datetime, length: Length = "long") -> str:
    # Equal moments may be in different zones.
    return format_datetime(value, length, tzinfo=value.tzinfo, locale=_rules(tag))


@lru_cache(maxsize=4096)
def _minutes(tag: str, value: int) -> str:
    for size, unit in ((1440, "duration-day"), (60, "duration-hour")):
        if value % size == 0:
            return format_unit(value // size, unit, locale=_rules(tag))
    return format_unit(value, "duration-minute", locale=_rules(tag))


def _filter(write: Callable[..., str]) -> Callable[..., str]:
    @jinja2.pass_context
    def in_locale(context: jinja2.runtime.Context, *values: Any) -> str:
        return write(context["locale"], *values).replace("\u202f", "\xa0")  # which not all fonts of mail clients have

    return in_locale


FILTERS: dict[str, Callable[..., str]] = {
    "money": _filter(_money),
    "number": _filter(_number),
    "date": _filter(_date),
    "time": _filter(_time),
    "datetime": _filter(_datetime),
    "minutes": _filter(_minutes),
}
"""The filters that templates may use beside Jinja's own: `{{ total | money(currency) }}` is €1,209.50 or 1.209,50 €,
`{{ day | date }}` November 27, 2026, `date("full")` with the day of the week, `{{ at | time }}` 9:30 AM or 09:30,
`{{ moment | datetime }}` both with the zone, `{{ valid | minutes }}` 30 minutes or 2 hours, never rounded."""
