"""Locales: which files are in question, and how values are written."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import jinja2
import pytest

from toril.errors import InvalidOption
from toril.messaging.locales import FILTERS, choices, normal


@pytest.mark.parametrize(
    ("locale", "default", "suffixes"),
    [
        ("vi-VN", "en", [".vi-VN", ".vi", ".en", ""]),
        ("en", "vi", [".en", "", ".vi"]),
        ("en-GB", "en", [".en-GB", ".en", ""]),
        ("fr", "vi", [".fr", ".vi", ".en", ""]),
    ],
)
def test_the_recipients_language_comes_first_then_the_senders_then_english(locale, default, suffixes):
    assert [choice.suffix for choice in choices(locale, default)] == suffixes


@pytest.mark.parametrize(
    ("given", "known"), [("vi_VN", "vi-VN"), ("PT-br", "pt-BR"), ("vi-XX-nonsense", "vi"), ("qqx", "en")]
)
def test_tags_become_what_is_known(given, known):
    assert normal(given) == known


@pytest.mark.parametrize("bad", ["", "../vi", "english", "v", "vi/..", None, 7])
def test_what_is_no_locale(bad):
    with pytest.raises(InvalidOption, match=r"^locale: expected a language tag such as vi or pt-BR, got "):
        normal(bad)


@pytest.mark.parametrize(
    ("expression", "en", "vi"),
    [
        ("amount | money('VND')", "₫1,250", "1.250 ₫"),
        ("amount | money('USD')", "$1,250.00", "1.250,00 US$"),
        ("amount | number", "1,250", "1.250"),
        ("day | date", "November 7, 2026", "7 tháng 11, 2026"),
        ("day | date('full')", "Saturday, November 7, 2026", "Thứ Bảy, 7 tháng 11, 2026"),
        ("moment | time", "4:05 PM", "16:05"),
        ("45 | minutes", "45 minutes", "45 phút"),
        ("90 | minutes", "90 minutes", "90 phút"),
        ("120 | minutes", "2 hours", "2 tiếng"),
        ("4320 | minutes", "3 days", "3 ngày"),
    ],
)
def test_filters(expression, en, vi):
    environment = jinja2.Environment()
    environment.filters |= FILTERS
    template = environment.from_string(f"{{{{ {expression} }}}}")
    values = {
        "amount": Decimal(1250),
        "day": date(2026, 11, 7),
        "moment": datetime(2026, 11, 7, 16, 5, tzinfo=timezone(timedelta(hours=7))),
    }
    written = [template.render(values, locale=locale).replace("\xa0", " ") for locale in ("en", "vi")]
    assert written == [en, vi]


def test_equal_moments_in_different_zones_are_written_differently():
    environment = jinja2.Environment()
    environment.filters |= FILTERS
    template = environment.from_string("{{ moment | datetime }}")
    moment = datetime(2026, 11, 7, 9, 5, tzinfo=UTC)
    assert "9:05" in template.render(moment=moment, locale="en")
    assert "4:05" in template.render(moment=moment.astimezone(timezone(timedelta(hours=7))), locale="en")
