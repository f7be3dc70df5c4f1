"""Addresses: what is accepted, what is refused and how it is said."""

import email
from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.errors import InvalidAddress
from toril.messaging.address import Address


@pytest.mark.parametrize(
    ("written", "spec", "name"),
    [
        ("ana@example.com", "ana@example.com", ""),
        ("  ana@example.com ", "ana@example.com", ""),
        ("Ana Ruiz <ana@example.com>", "ana@example.com", "Ana Ruiz"),
        ('"Ruiz, Ana" <ana+tag@mail.example.com>', "ana+tag@mail.example.com", "Ruiz, Ana"),
        ("Nguyễn Văn Ánh <anh@example.vn>", "anh@example.vn", "Nguyễn Văn Ánh"),
        ("ana@bücher.example", "ana@xn--bcher-kva.example", ""),
        ("ana@Straße.example", "ana@xn--strae-oqa.example", ""),  # strasse.example is somebody else's
        ("ana@βόλος.com", "ana@xn--nxasmm1c.com", ""),
        ("ana@example.com <ana@example.com>", "ana@example.com", "ana@example.com"),
        ("Ruiz, Ana <ana@example.com>", "ana@example.com", "Ruiz, Ana"),
        (r'"Ana \"<b@c.d>\"" <ana@example.com>', "ana@example.com", 'Ana "<b@c.d>"'),
        ("o'neil@localhost", "o'neil@localhost", ""),
    ],
)
def test_reads(written, spec, name):
    assert Address.parse(written, "to") == Address(spec, name)


@pytest.mark.parametrize(
    "written",
    [
        "", "ana", "ana@", "@example.com", "ana@@example.com", "a@b@example.com", "ana@example", "ana@example..com",
        "ana@-example.com", "ana@exam ple.com", "ana ruiz@example.com", ".ana@example.com", "an..a@example.com",
        "ana@example.com, bo@example.com", "ana@example.com\r\nBcc: x@example.com", "Ana\n <ana@example.com>",
        "ana@127.0.0.1", "ana@[127.0.0.1]", "añ@example.com", f"{'a' * 65}@example.com",
        f"ana@{'a' * 64}.com", f"ana@{'.'.join(['a' * 60] * 5)}.com", "<ana@example.com", "Ana <>", None, 7,
        "ana@example.com\ud800", "Ana <ana@example.com>, Bo <bo@example.com>", "ana@example.com, Bo <bo@example.com>",
        "ana@exam\u200cple.com",
    ],
)  # fmt: skip
def test_refuses_by_field_and_without_quoting(written):
    with pytest.raises(InvalidAddress) as refused:
        Address.parse(written, "to")
    assert str(refused.value).startswith("to: expected an address such as ana@example.com, ")
    assert "ruiz" not in str(refused.value)


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=80))
def test_as_text_it_is_read_back(name):
    address = Address("ana@example.com", name.strip())
    assert Address.parse(str(address), "to") == address


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=80))
def test_header_is_read_back_by_the_stdlib(name):
    name = " ".join(name.split())
    header = f"To: {Address('ana@example.com', name).header()}\r\n\r\n"
    parsed = email.message_from_bytes(header.encode("ascii"))
    written, spec = parseaddr(parsed["to"])
    # The old decoder: the new policy of some Pythons puts spaces between the encoded words of a long name.
    assert (str(make_header(decode_header(written))), spec) == (name, "ana@example.com")
