"""The MIME writer, judged by the stdlib's parser."""

import email
import email.policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from toril.errors import InvalidMessage
from toril.messaging.address import Address
from toril.messaging.header import check_line, fold
from toril.messaging.mime import Skeleton

AT = 1_800_000_000_000
SENDER = Address("shop@example.com", "Toril Shop")
ONE_LINE = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=300).map(str.strip)
BODY = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r"), max_size=2_000)


def parse(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def write(subject="Hello", text="Hello\n", html="<p>Hello</p>\n") -> EmailMessage:
    skeleton = Skeleton(SENDER)
    raw = skeleton.write(
        to=Address("ana@example.com", "Ana"),
        subject=subject,
        message_id="m1@example.com",
        at=AT,
        text=text,
        html=html,
    )
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    raw.decode("ascii")
    message = parse(raw)
    assert not message.defects
    assert [part.defects for part in message.walk()] == [[], [], []]
    return message


def test_headers():
    message = write()
    assert message["from"] == "Toril Shop <shop@example.com>"
    assert message["to"] == "Ana <ana@example.com>"
    assert message["message-id"] == "<m1@example.com>"
    assert message["mime-version"] == "1.0"
    assert parsedate_to_datetime(message["date"]).timestamp() == AT / 1000
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain\n", "7bit"),
        ("a few é in a long line of ASCII " * 10, "quoted-printable"),
        ("x" * 2_000, "quoted-printable"),
        ("Xin chào Ánh, đơn hàng đã được xác nhận\n" * 3, "base64"),
        ("🐂" * 400, "base64"),
        ("trailing space \nand. a dot\n.\n..\nFrom here =20 é\t\n", "quoted-printable"),
    ],
)
def test_encodings(text, encoding):
    plain, html = write(text=text, html=text).iter_parts()
    for part in (plain, html):
        assert part["content-transfer-encoding"] == encoding
        assert part.get_content().replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")


@given(text=BODY, html=BODY)
@example(text="--=_m1\n--=_m1--\n", html="--=_m1")
def test_bodies_come_back(text, html):
    parts = [part.get_payload(decode=True).decode() for part in write(text=text, html=html).iter_parts()]
    for sent, part in zip((text, html), parts, strict=True):
        assert part.replace("\r\n", "\n").removesuffix("\n") == sent.removesuffix("\n")


@given(subject=ONE_LINE)
@example(subject="Đặt lại mật khẩu của bạn " * 8)
@example(subject="🐂" * 200)
@example(subject="word " * 39 + "words")
@example(subject="x" * 1_500)
@example(subject="=?utf-8?b?aGk=?= looks encoded")
@example(subject="two  spaces\tand a tab")
def test_subject_comes_back(subject):
    message = write(subject=subject)
    assert message["subject"] == subject
    assert all(len(line) <= 998 for line in fold("Subject", subject).split("\r\n"))


def test_a_long_subject_is_folded():
    lines = fold("Subject", "Your order number 42 is confirmed " * 6).split("\r\n")
    assert len(lines) > 2
    assert max(map(len, lines)) <= 76


@pytest.mark.parametrize("value", ["a\r\nBcc: x@example.com", "a\nb", "a\rb", "a\x00b", "a\u2028b", "a\x85b"])
def test_a_second_line_is_refused(value):
    with pytest.raises(InvalidMessage, match=r"^subject: expected one line"):
        check_line(value, "subject")
