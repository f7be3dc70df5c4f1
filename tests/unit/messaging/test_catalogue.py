"""The built-in mails: each in each language, as a recipient's mail client reads it."""

import re
from datetime import date, time
from decimal import Decimal
from email import message_from_bytes, policy

import pytest

from toril import Secret
from toril.errors import InvalidContext
from toril.messaging import Brand
from toril.messaging.address import Address
from toril.messaging.catalogue import (
    BUILT_IN,
    AppointmentConfirmation,
    OrderConfirmation,
    OrderStatus,
    PasswordReset,
    Promotion,
    VerificationCode,
)
from toril.messaging.check import check
from toril.messaging.mime import Skeleton
from toril.messaging.preview import UNSUBSCRIBE_URL, preview, sample
from toril.messaging.templates import Templates

TYPES = {kind.name: kind for kind in BUILT_IN}
BRAND = Brand("Cửa hàng Ánh", url="https://shop.example", address="25 Lý Tự Trọng, TP. Hồ Chí Minh")
TEMPLATES = Templates(brand=BRAND)
EACH = [(name, locale) for name in TYPES for locale in ("en", "vi")]
# DESIGN's list, with what the shop's document says of priorities: 1 order and reset, 2 status and refund, 3 the rest.
PRIORITIES = {
    "appointment-confirmation": 1,
    "appointment-reminder": 2,
    "course-completion": 3,
    "enrolment-reminder": 3,
    "medication-reminder": 1,
    "order-confirmation": 1,
    "order-status": 2,
    "password-reset": 1,
    "payment-failed": 2,
    "payment-receipt": 2,
    "payment-reminder": 3,
    "promotion": 3,
    "refund": 2,
    "report-ready": 2,
    "verification-code": 1,
    "welcome": 3,
}


def read(message):
    """Return the subject and both bodies as Python's own parser reads them."""
    mail = message_from_bytes(message, policy=policy.default)
    assert mail.defects == []
    assert mail["Message-ID"]
    assert mail["Date"]
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    return mail["Subject"], *(part.get_content().replace("\r\n", "\n") for part in mail.iter_parts())


def render(context, locale="en"):
    template = TEMPLATES.load(context.type, locale)
    subject = template.render_subject(context)
    return subject, *template.render(context, subject)


def test_all_that_is_promised_is_there():
    assert {name: kind.priority for name, kind in TYPES.items()} == PRIORITIES
    assert {name for name, kind in TYPES.items() if kind.kind == "subscribed"} == {"enrolment-reminder", "promotion"}


def test_nothing_is_wrong_with_any():
    assert check(BUILT_IN, TEMPLATES) == []
    assert TEMPLATES.sources.locales() == ["en", "vi"]


@pytest.mark.parametrize(("name", "locale"), EACH)
def test_each_arrives_as_it_was_written(name, locale):
    shown = preview(TYPES[name], TEMPLATES, locale)
    subject, text, html = read(shown.message)
    assert (subject, text.strip(), html.strip()) == (shown.subject, shown.text, shown.html.strip())
    for part in (subject, text, html):
        assert not re.search(r"\{\{|\{%|jinja|Undefined|None|\*\*\*|Secret", part)
    assert BRAND.name in text
    assert BRAND.address in html
    assert f'<html lang="{locale}">' in html
    assert (UNSUBSCRIBE_URL in text, UNSUBSCRIBE_URL in html) == ((TYPES[name].kind == "subscribed"),) * 2
    assert not re.search(r"^ |[^-] $|\n\n\n", text, re.MULTILINE)


@pytest.mark.parametrize(("name", "locale"), EACH)
def test_each_shows_all_that_it_is_given(name, locale):
    """Both parts show every text of the sample, and so does a context with nothing but what is required."""
    context = sample(TYPES[name], TEMPLATES, locale)
    shown = preview(TYPES[name], TEMPLATES, locale)
    given = [value.reveal() if isinstance(value, Secret) else value for _, value in context]
    for value in (*given, *(line.name for line in getattr(context, "lines", ()))):
        if isinstance(value, str) and value not in {"EUR", "VND", "shipped"}:
            assert value in shown.text
            assert value in shown.html
    required = {key: value for key, value in context if type(context).model_fields[key].is_required()}
    subject, text, html = render(type(context)(**required), locale)
    assert subject
    assert "None" not in text + html


OPTIONAL = {  # what the samples leave out
    "image": "https://x.example/image.png",
    "instructions": "First line\nsecond line",
    "link": "https://x.example/link",
    "note": "First line\nsecond line",
    "tax": Decimal(77),
}


@pytest.mark.parametrize(("name", "locale"), EACH)
def test_each_shows_what_its_sample_leaves_out(name, locale):
    given = {key: value for key, value in sample(TYPES[name], TEMPLATES, locale) if value is not None}
    left_out = TYPES[name].context.model_fields.keys() - given.keys()
    context = TYPES[name].context(**given, **{field: OPTIONAL[field] for field in left_out})
    _, text, html = render(context, locale)
    for field in left_out:
        for part in str(OPTIONAL[field]).splitlines():
            assert part in html
            assert part in text or field == "image"
        assert "line<br>second" in html or "\n" not in str(OPTIONAL[field])


@pytest.mark.parametrize(
    "status", ["processing", "shipped", "out-for-delivery", "ready-for-pickup", "delivered", "cancelled"]
)
@pytest.mark.parametrize("locale", ["en", "vi"])
def test_an_order_has_words_for_each_status(status, locale):
    subject, text, _ = render(OrderStatus(name="Ana", order_id="A-1", status=status), locale)
    assert "A-1 " in subject
    assert status not in text.split()[0]


def test_money_dates_and_times_are_written_as_the_locale_writes_them():
    order = TYPES["order-confirmation"].validate(
        {"name": "A", "order_id": "1", "lines": [{"name": "x", "quantity": 1, "price": "1"}], "total": "1209.5", "currency": "EUR"}
    )  # fmt: skip
    assert "Total €1,209.50" in render(order)[1]
    assert "Tổng cộng 1.209,50 €" in render(order, "vi-VN")[1].replace("\xa0", " ")
    meeting = AppointmentConfirmation(
        client_name="A", appointment_date=date(2027, 1, 15), appointment_time=time(14, 30)
    )
    assert "Time: 2:30 PM" in render(meeting)[1].replace("\xa0", " ")
    assert "Time: 14:30" in render(meeting, "en-GB")[1]
    assert "Ngày: Thứ Sáu, 15 tháng 1, 2027\nGiờ: 14:30" in render(meeting, "vi")[1]


def test_a_locale_without_templates_gets_english_in_every_respect():
    subject, text, html = render(PasswordReset(name="A", link=Secret("https://x.example"), valid_minutes=90), "fr")
    assert subject == "Reset your password for Cửa hàng Ánh"
    assert "within 90 minutes" in text
    assert '<html lang="en">' in html


@pytest.mark.parametrize(
    "title", ["Giảm giá đặc biệt", "🌱🎉 20% off", "a" * 200, "Đ" * 200, "🌱" * 200, "word " * 39 + "last!"]
)
def test_difficult_subjects_arrive(title):
    subject, text, html = render(Promotion(title=title, text="Text", link="https://x.example", name="Ánh 🌱"))
    someone = Address.parse("Ánh <a@x.example>", "to")
    message = Skeleton(someone).write(to=someone, subject=subject, message_id="1@x", at=0, text=text, html=html)
    assert (subject, "Hello Ánh 🌱" in text) == (title, True)
    assert [part.strip() for part in read(message)] == [title, text, html.strip()]


def test_the_clinics_own_context_is_taken_as_it_is():
    seed = {"clientName": "John Doe", "appointmentDate": "2024-01-15", "appointmentTime": "10:00 AM"}
    context = TYPES["appointment-confirmation"].validate(seed)
    assert (context.client_name, context.appointment_time) == ("John Doe", time(10))
    assert "Monday, January 15, 2024" in render(context)[1]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("12:05 am", time(0, 5)), ("12:30 PM", time(12, 30)), ("1:00 p.m.", time(13)), ("23:59", time(23, 59))],
)
def test_times_of_day(written, meant):
    context = {"client_name": "A", "appointment_date": "2027-01-15", "appointment_time": written}
    assert TYPES["appointment-reminder"].validate(context).appointment_time == meant


@pytest.mark.parametrize("written", ["13:00 PM", "0:10 AM", "noon", ""])
def test_what_is_no_time_of_day(written):
    context = {"client_name": "A", "appointment_date": "2027-01-15", "appointment_time": written}
    with pytest.raises(InvalidContext, match=r"^context\.appointment_time: "):
        TYPES["appointment-reminder"].validate(context)


def test_typed_contexts_are_their_types():
    assert VerificationCode.type is TYPES["verification-code"]
    assert OrderConfirmation.type.context is OrderConfirmation
    assert {name for name, kind in TYPES.items() if kind.secrets} == {
        "verification-code",
        "password-reset",
        "report-ready",
    }
    assert "4711" not in repr(VerificationCode(code=Secret("4711")))
