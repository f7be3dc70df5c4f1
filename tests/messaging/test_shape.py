"""What a mail looks like when it arrives: subject, copies, headers, files, languages; and what is refused."""

import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from chaos import TLS

from toril.errors import InvalidAddress, InvalidMessage, InvalidOption
from toril.messaging import Attachment

LONG = "Đơn hàng của bạn đã được giao 🎉 " * 6


async def sent(shop, mailbox, **options):
    handle = await shop.welcome(**options)
    await shop.work()
    assert await handle.status() == "sent", (await handle.row()).error
    return mailbox.mails[-1].message


@pytest.mark.parametrize(
    "subject", ["Xin chào Ánh", "🐂" * 50, LONG[:200], "a" * 200, "word " * 40, "=?utf-8?b?eA==?="]
)
async def test_any_subject_arrives_as_it_was_given(shop, mailbox, subject):
    message = await sent(shop, mailbox, subject=subject)
    assert message["subject"] == subject.strip()
    assert max(map(len, mailbox.mails[-1].content.split(b"\r\n"))) <= 998
    assert message.get_content_type() == "multipart/alternative"
    assert message["message-id"]
    assert message["date"]
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert not message.defects


@pytest.mark.parametrize(
    ("options", "error", "fault"),
    [
        ({"subject": "Hi\r\nBcc: all@example.com"}, InvalidMessage, "^subject: expected one line"),
        ({"subject": " "}, InvalidMessage, "^subject: expected one line of 1 to"),
        ({"subject": 7}, InvalidMessage, "^subject: expected one line of 1 to"),
        ({"to": "Ana\nBcc: all@example.com <ana@example.com>"}, InvalidAddress, "^to: .*without line breaks"),
        ({"cc": "bob@example.com\nBcc: x@example.com"}, InvalidAddress, r"^cc\[0\]: .*without line breaks"),
        ({"bcc": ["bob@example.com", "bob"]}, InvalidAddress, r"^bcc\[1\]: expected an address"),
        ({"cc": ["a@example.com"] * 51}, InvalidMessage, "^cc: expected at most 50 addresses, got 51"),
        ({"reply_to": "nobody"}, InvalidAddress, "^reply_to: expected an address"),
        ({"headers": {"X-A": "b\r\nBcc: x@example.com"}}, InvalidMessage, r"^headers\['X-A'\]: expected one line"),
        ({"headers": {"X-A": 7}}, InvalidMessage, r"^headers\['X-A'\]: expected one line of text, got int"),
        ({"headers": {"X A": "b"}}, InvalidMessage, "^headers: expected names such as X-Campaign"),
        ({"headers": {"Bcc": "b"}}, InvalidMessage, r"^headers\['Bcc'\]: Toril writes this one itself"),
        ({"headers": {"CONTENT-TYPE": "b"}}, InvalidMessage, "Toril writes this one itself"),
        ({"locale": "../etc"}, InvalidOption, "^locale: expected a language tag"),
        ({"attachments": ["bill.pdf"]}, InvalidMessage, r"^attachments\[0\]: expected Attachment\(…\) or a Path, got str"),
        ({"attachments": [Path("/nowhere")]}, InvalidMessage, r"^attachments\[0\]: /nowhere cannot be read: No such file"),
        ({"attachments": [Attachment(b"x")]}, InvalidMessage, r"^attachments\[0\]: expected a name"),
        ({"attachments": [Attachment(b"x", "../a")]}, InvalidMessage, r"^attachments\[0\]\.name: expected a file name without a folder"),
        ({"attachments": [Attachment(b"x", "a\nb")]}, InvalidMessage, r"^attachments\[0\]\.name: expected one line"),
        ({"attachments": [Attachment(b"x", "a", "text")]}, InvalidMessage, r"^attachments\[0\]\.media_type: expected such as"),
        ({"attachments": [Attachment(b"x" * 6_000_000, "a")] * 2}, InvalidMessage, r"^attachments\[1\]: expected at most 10,000,000 bytes"),
        ({"attachments": [Attachment("file:///etc/passwd")]}, InvalidMessage, r"^attachments\[0\]: expected an https:// link, got file"),
        ({"attachments": [Attachment("https://127.0.0.1/x")]}, InvalidMessage, r"127\.0\.0\.1 is not a public address"),
        ({"attachments": [Attachment("https://localhost/x")]}, InvalidMessage, "localhost is not a public address"),
        ({"attachments": [Attachment("https://[::ffff:10.0.0.1]/x")]}, InvalidMessage, "is not a public address"),
        ({"attachments": [Attachment("http://169.254.169.254/latest")]}, InvalidMessage, "expected an https:// link, got http"),
        ({"attachments": [Attachment("https://u:p@example.com/x")]}, InvalidMessage, "expected an https:// link without a login"),
    ],
)  # fmt: skip
async def test_what_cannot_be_sent_is_one_error_and_writes_nothing(shop, options, error, fault):
    await shop.mailer.open()
    with pytest.raises(error, match=fault):
        await shop.welcome(**options)
    assert (await shop.mailer.log()).mails == []


async def test_copies_are_rows_of_their_own(shop_at, mailbox):
    handle = await shop_at.welcome(
        "Ana <ana@example.com>", cc=["Bob <bob@example.com>"], bcc="eve@example.com, ".strip(", ")
    )
    await shop_at.work()
    assert sorted(mail.recipients for mail in mailbox.mails) == [
        ("ana@example.com",),
        ("bob@example.com",),
        ("eve@example.com",),
    ]
    for mail in mailbox.mails:
        assert (mail.message["to"], mail.message["cc"]) == ("Ana <ana@example.com>", "Bob <bob@example.com>")
        assert mail.message["bcc"] is None
        assert mail.message["message-id"] == f"<{handle.id}@example.com>"
    rows = (await shop_at.mailer.log()).mails
    assert {row.status for row in rows} == {"sent"}
    assert sorted(row.copy_of or "" for row in rows) == ["", handle.id, handle.id]


async def test_a_cancel_takes_the_copies_back(shop, mailbox):
    handle = await shop.welcome(cc="bob@example.com", bcc="ana@example.com")
    assert await handle.cancel()
    await shop.work()
    assert [row.status for row in (await shop.mailer.log()).mails] == ["cancelled"] * 2
    assert mailbox.mails == []


async def test_headers_and_reply_to(shop, mailbox):
    message = await sent(
        shop, mailbox, reply_to="Hilfe <help@example.com>", headers={"X-Campaign": "Früh", "Precedence": "bulk"}
    )
    assert message["reply-to"] == "Hilfe <help@example.com>"
    assert (message["x-campaign"], message["precedence"]) == ("Früh", "bulk")


async def test_a_locale_is_the_recipients(shop, mailbox):
    message = await sent(shop, mailbox, locale="vi")
    assert "Chào" in message["subject"]


@pytest.mark.parametrize(
    "name", ["bill.pdf", "Hóa đơn tháng 11.pdf", 'a "b" c;d.pdf', "x" * 190 + ".pdf", "hóa" * 60 + ".pdf"]
)
async def test_files_arrive_as_they_were_given(shop_at, mailbox, tmp_path, name):
    (tmp_path / "a.txt").write_bytes("Xin chào\r\n".encode())
    content = bytes(range(256)) * 400
    message = await sent(shop_at, mailbox, attachments=[Attachment(content, name), tmp_path / "a.txt"])
    assert message.get_content_type() == "multipart/mixed"
    first, second = message.iter_attachments()
    assert (first.get_filename(), first.get_content_type(), first.get_content()) == (name, "application/pdf", content)
    assert (second.get_filename(), second.get_payload(decode=True)) == ("a.txt", "Xin chào\r\n".encode())
    assert message.get_body(("plain",)).get_content()
    assert max(map(len, mailbox.mails[-1].content.split(b"\r\n"))) <= 998


async def test_a_file_is_stored_once_and_not_in_the_job(shop_at, mailbox, tmp_path):
    content = b"PLANTED FILE" * 1000
    for number in range(3):
        await shop_at.welcome(f"ana+{number}@example.com", attachments=[Attachment(content, f"{number}.pdf")])
    assert b"PLANTED FILE" not in (tmp_path / "jobs.db").read_bytes()
    async with shop_at.mailer._home.stay() as log:
        from sqlalchemy import select

        from toril.messaging.models import EmailFile

        assert len(await log.read(select(EmailFile.hash))) == 1
    await shop_at.work()
    assert [next(mail.message.iter_attachments()).get_content() for mail in mailbox.mails] == [content] * 3


class Files(BaseHTTPRequestHandler):
    """A file, one that is too large, and a way to somewhere else."""

    def do_GET(self):
        answers = {"/f/b%C3%A4r.txt": (200, b"hello"), "/large": (200, b"x" * 10_000_001), "/away": (302, b"")}
        status, body = answers.get(self.path, (404, b""))
        self.send_response(status)
        self.send_header("Location", "/f/b%C3%A4r.txt")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def served(tls=None):
    server = HTTPServer(("127.0.0.1", 0), Files)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def files():
    with served() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def files_by_tls():
    """The port of such a server whose certificate is for `localhost`, by an authority of its own."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "localhost.pem", TLS / "localhost.key")
    with served(context) as port:
        yield port


async def test_a_link_is_read_when_the_message_is_accepted(open_shop, mailbox, files):
    shop = open_shop(mailbox.url, private_hosts=["127.0.0.1"])
    message = await sent(shop, mailbox, attachments=[Attachment(f"{files}/f/b%C3%A4r.txt")])
    (file,) = message.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("bär.txt", "hello")


async def test_a_link_is_read_over_tls_from_a_server_that_is_trusted(open_shop, mailbox, files_by_tls, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "localhost.pem"))
    shop = open_shop(mailbox.url, private_hosts=["localhost"])
    link = f"https://localhost:{files_by_tls}/f/b%C3%A4r.txt"
    (file,) = (await sent(shop, mailbox, attachments=[Attachment(link)])).iter_attachments()
    assert file.get_content() == "hello"
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(InvalidMessage, match=r"attachments\[0\]: localhost could not be read: ConnectError"):
        await shop.welcome(attachments=[Attachment(link)])


@pytest.mark.parametrize(
    ("path", "fault"),
    [("/gone", "expected 200 from its server, got 404"), ("/away", "got 302"), ("/large", "at most 10,000,000 bytes")],
)
async def test_a_link_that_leads_nowhere_is_one_error(open_shop, files, path, fault):
    shop = open_shop("memory://", private_hosts=["127.0.0.1"])
    with pytest.raises(InvalidMessage, match=fault):
        await shop.welcome(attachments=[Attachment(f"{files}{path}", "a.txt")])
