"""The local mailbox, judged by the stdlib's client."""

import asyncio
import smtplib

import pytest

from toril.messaging.mailbox import Mailbox


@pytest.fixture
async def mailbox(tmp_path):
    async with Mailbox(refuse={"no@example.com"}, defer={"later@example.com"}, folder=tmp_path / "box") as mailbox:
        yield mailbox


async def talk(mailbox, conversation):
    def run():
        host, _, port = mailbox.url.removeprefix("smtp://").partition(":")
        with smtplib.SMTP(host, int(port), timeout=5) as client:
            return conversation(client)

    return await asyncio.to_thread(run)


async def test_keeps_what_it_is_sent(mailbox, tmp_path):
    body = b"Subject: hi\r\n\r\n.dot\r\n..\r\n" + b"line\r\n" * 20_000
    await talk(mailbox, lambda client: client.sendmail("a@example.com", ["b@example.com", "c@example.com"], body))
    (mail,) = mailbox.mails
    assert (mail.sender, mail.recipients, mail.content) == (
        "a@example.com",
        ("b@example.com", "c@example.com"),
        body,
    )
    assert mail.message["subject"] == "hi"
    assert (tmp_path / "box" / "000001.eml").read_bytes() == body


async def test_refuses_for_good_and_defers_once(mailbox):
    def answers(client, address):
        client.helo()
        client.mail("a@example.com")
        code, _ = client.rcpt(address)
        client.rset()
        return code

    for address, codes in {"no@example.com": [550, 550], "later@example.com": [451, 250]}.items():
        assert [await talk(mailbox, lambda client, to=address: answers(client, to)) for _ in range(2)] == codes


@pytest.mark.parametrize(
    ("commands", "codes"),
    [
        (["DATA"], [503]),
        (["RCPT TO:<a@example.com>"], [503]),
        (["MAIL nonsense"], [501]),
        (["MAIL FROM:<>", "MAIL FROM:<>"], [250, 503]),
        (["MAIL FROM:<>", "RCPT TO:<>", "DATA"], [250, 501, 503]),
        (["NOOP", "VRFY ana", "RSET"], [250, 502, 250]),
        (["EHLO " + "x" * 5_000], [500]),
    ],
)
async def test_answers_what_is_out_of_order(mailbox, commands, codes):
    assert await talk(mailbox, lambda client: [client.docmd(command)[0] for command in commands]) == codes
    assert mailbox.mails == []


async def test_an_empty_mail_and_two_in_one_write(mailbox):
    def conversation(client):
        client.ehlo()
        client.send(
            b"MAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.com>\r\n"
        )
        return [client.getreply()[0] for _ in range(6)]

    assert await talk(mailbox, conversation) == [250, 250, 354, 250, 250, 250]
    assert [mail.content for mail in mailbox.mails] == [b""]
