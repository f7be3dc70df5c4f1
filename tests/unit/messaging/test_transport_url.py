"""Transports by URL."""

import pytest

from toril.errors import InvalidSettings
from toril.messaging.transport import SMTP, Console, Failover, Folder, Memory, Resend, transport_from_url
from toril.settings import mask_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("smtp://mail.example.com", "SMTP(mail.example.com:25, security=none)"),
        ("smtp+starttls://ana:pw@mail.example.com", "SMTP(mail.example.com:587, security=starttls)"),
        ("smtps://ana%40x:p%3Aw@mail.example.com:2465?connections=3&limit=60", "SMTP(mail.example.com:2465, security=tls)"),
        ("smtp://ana:pw@127.0.0.1:1025", "SMTP(127.0.0.1:1025, security=none)"),
    ],
)  # fmt: skip
def test_smtp(url, shown):
    transport = transport_from_url(url)
    assert isinstance(transport, SMTP)
    assert repr(transport) == shown


def test_the_small_ones():
    assert repr(transport_from_url("file:///var/mail/out")) == "Folder('/var/mail/out')"
    assert isinstance(transport_from_url("file://out"), Folder)
    assert isinstance(transport_from_url("console://"), Console)
    assert isinstance(transport_from_url("memory://"), Memory)


def test_resend():
    transport = transport_from_url("resend://:re_hush@api.resend.com?connections=2")
    assert isinstance(transport, Resend)
    assert repr(transport) == "Resend(https://api.resend.com)"


def test_several_are_a_failover():
    urls = "smtps://ana:hush@a.example  resend://:re_hush@api.resend.com"
    transport = transport_from_url(urls)
    assert isinstance(transport, Failover)
    assert repr(transport) == "Failover(SMTP(a.example:465, security=tls), Resend(https://api.resend.com))"
    assert mask_url(urls) == "smtps://ana:********@a.example resend://:********@api.resend.com"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smpt://mail.example.com", "expected smtp://, .* got 'smpt'"),
        ("mail.example.com", "expected smtp://, .* got 'no scheme'"),
        ("smtp://", r"expected smtp://\[user:password@\]host"),
        ("smtp://host/path", r"expected smtp://\[user:password@\]host"),
        ("smtp://host:99999", "port from 1 to 65535"),
        ("smtp://host:abc", "port from 1 to 65535"),
        ("smtps://ana@host", "both user and password"),
        ("smtp://ana:hush@mail.example.com", "would send the password in clear"),
        ("smtp://host?connections=0", "connections: expected a whole number of 1 or more, got '0'"),
        ("smtps://host?cafile=/nowhere.pem", "cafile: expected a file of certificates .* '/nowhere.pem' is none"),
        ("smtp://host?cafile=/nowhere.pem", "no option 'cafile'"),
        ("resend://re_hush@api.resend.com", "expected resend://:API_KEY@api.resend.com"),
        ("file:///", "expected a folder"),
        ("memory:// smpt://x", "got 'smpt'"),
        ("smtp://host?speed=9", r"no option 'speed' \(known: connections, subscribed, limit\)"),
    ],
)
def test_one_clear_error(url, expected):
    with pytest.raises(InvalidSettings, match=f"^transport: .*{expected}") as error:
        transport_from_url(url)
    assert "hush" not in str(error.value)
