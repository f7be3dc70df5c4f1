"""The SMTP transport: what it tells of servers that refuse, hang and drop, and how it keeps connections."""

import asyncio
import re
import ssl
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiosmtpd import smtp as foreign
from hostile import DROP, HANG, Hostile

from toril.messaging.mailbox import Mailbox
from toril.messaging.transport import SMTP, Busy, Envelope, NotSent, Transcript, Undecided, transport_from_url

TLS = Path(__file__).parent / "tls"
MAIL = Envelope("shop@example.com", "ana@example.com", b"Subject: hello\r\n\r\nHello\r\n.a line with a dot\r\n")


class Begun:
    """A `begin` that counts."""

    def __init__(self, error: Exception | None = None) -> None:
        self.times = 0
        self.error = error

    async def __call__(self) -> None:
        self.times += 1
        if self.error:
            raise self.error


@pytest.fixture
def begin():
    return Begun()


def at(step, answer, connection=None):
    return lambda number, now: answer if now == step and connection in {None, number} else None


async def attempt(server, begin, mail=MAIL, **options):
    transport = SMTP("127.0.0.1", server.port, **{"limit": 5.0, **options})
    try:
        return await transport.send(mail, begin)
    finally:
        await transport.close()


async def test_a_mail_arrives_as_it_was_written(begin):
    async with Mailbox() as mailbox:
        transport = SMTP("127.0.0.1", int(mailbox.url.rpartition(":")[2]))
        assert await transport.send(MAIL, begin) == "250 2.0.0 OK: kept as 1"
        await transport.close()
    (mail,) = mailbox.mails
    assert (mail.sender, mail.recipients, mail.content) == (MAIL.sender, (MAIL.recipient,), MAIL.message)
    assert begin.times == 1


@pytest.mark.parametrize("offer", [None, "250-hostile\r\n250 PIPELINING"])
@pytest.mark.parametrize(
    ("step", "answer", "code", "permanent", "begun"),
    [
        ("GREETING", "554 5.3.2 not today", "554 5.3.2", False, 0),
        ("GREETING", DROP, "no connection", False, 0),
        ("EHLO", "421 4.3.2 closing", "421 4.3.2", False, 0),
        ("MAIL", "452 4.3.1 full", "452 4.3.1", False, 0),
        ("MAIL", "553 bad sender", "553", True, 0),
        ("RCPT", "451 4.7.1 greylisted", "451 4.7.1", False, 0),
        ("RCPT", "550 5.1.1 <ana@example.com> unknown", "550 5.1.1", True, 0),
        ("RCPT", DROP, "connection lost", False, 0),
        ("RCPT", HANG, "timeout", False, 0),
        ("DATA", "451 later", "451", False, 1),
        ("DATA", "554 5.7.1 no", "554 5.7.1", True, 1),
        ("DATA", DROP, "connection lost", False, 1),
        ("DATA", HANG, "timeout", False, 1),
        ("DOT", "451 4.3.0 later", "451 4.3.0", False, 1),
        ("DOT", "554 5.6.0 spam", "554 5.6.0", True, 1),
    ],
)
async def test_before_the_dot_or_with_a_reply_it_is_not_sent(begin, step, answer, code, permanent, begun, offer):
    async with Hostile(lambda _, now: answer if now == step else offer if now == "EHLO" else None) as server:
        with pytest.raises(NotSent) as outcome:
            await attempt(server, begin, limit=0.3, connect_limit=0.3)
    assert (outcome.value.code, outcome.value.permanent, begin.times) == (code, permanent, begun)
    assert "ana@" not in str(outcome.value)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (DROP, "connection lost"),
        (HANG, "timeout"),
        ("gibberish", "bad reply"),
        ("354 what", "no SMTP reply"),
    ],
)
async def test_after_the_dot_no_reply_is_undecided(begin, answer, code):
    async with Hostile(at("DOT", answer)) as server:
        with pytest.raises(Undecided) as outcome:
            await attempt(server, begin, limit=0.3)
        assert outcome.value.code == code
        assert len(server.heard) == 1


async def test_commands_go_in_groups_where_the_server_takes_them(begin):
    """MAIL and RCPT in one packet; DATA waits for `begin`, and a refusal of the first is the one that counts."""
    refused = False

    def script(_, step):
        if refused and step in {"MAIL", "RCPT"}:
            return {"MAIL": "550 bad sender", "RCPT": "503 MAIL first"}[step]
        return "250-hostile\r\n250 PIPELINING" if step == "EHLO" else None

    async with Hostile(script) as server:
        transport = SMTP("127.0.0.1", server.port)
        await transport.send(MAIL, begin)
        refused = True
        with pytest.raises(NotSent, match="550"):
            await transport.send(MAIL, begin)
        refused = False
        await transport.send(MAIL, begin)
        await transport.close()
    assert (server.connections, len(server.mails), begin.times) == (1, 2, 2)


@pytest.mark.parametrize(
    ("text", "busy"),
    [
        ("421 4.7.0 closing", True),
        ("450 4.7.1 Error: too many connections from 192.0.2.1", True),
        ("452 4.3.2 Too many concurrent SMTP sessions", True),
        ("454 4.7.0 Throttling failure: Maximum sending rate exceeded.", True),
        ("451 4.7.1 greylisted", False),
        ("550 5.7.1 rate limit exceeded", False),
    ],
)
async def test_a_server_that_has_too_much_to_do_is_busy(begin, text, busy):
    async with Hostile(at("RCPT", text)) as server:
        with pytest.raises(NotSent) as outcome:
            await attempt(server, begin)
    assert isinstance(outcome.value, Busy) is busy


async def test_no_connection_is_not_sent(begin):
    async with Hostile(at("", None)) as server:
        pass
    with pytest.raises(NotSent, match="no connection"):
        await attempt(server, begin)


async def test_a_server_that_does_not_greet_is_left(begin):
    async with Hostile(at("GREETING", HANG)) as server:
        with pytest.raises(NotSent, match="timeout"):
            await attempt(server, begin, connect_limit=0.2)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("451 4.7.1 Greylisted, please try again in 7 minutes", 420),
        ("450 4.2.0 Greylisting in effect, retry after 300 seconds", 300),
        ("421 try again in 1 hour", 3600),
        ("451 4.7.1 wait 90s", 90),
        ("450 4.2.0 <ana@example.com>: Recipient address rejected: Greylisted for 5 minutes", 300),
        ("450 4.7.1 Greylisted, see http://postgrey.example/help/example.com.html (retry in 299 sec)", 299),
        ("451 4.7.1 Greylisting in action, please come back in 00:05:00", 300),
        ("451 4.7.1 Please try again after 4 min", 240),
        ("452 4.5.3 Mailbox is over quota, retry in 2 hrs", 7200),
        ("451 4.3.0 Message deferred; wait time 15:30", 930),
        ("450 try again in 900000 seconds", 86_400),
        ("451 4.7.1 try again later", None),
        ("451 mailbox 12 has 3 minutes of mail", None),
    ],
)
async def test_a_named_time_is_reported(begin, text, seconds):
    async with Hostile(at("RCPT", text)) as server:
        with pytest.raises(NotSent) as outcome:
            await attempt(server, begin)
    assert outcome.value.retry_after == seconds


async def test_what_begin_raises_comes_through_and_nothing_is_handed_over():
    async with Hostile(at("", None)) as server:
        with pytest.raises(LookupError):
            await attempt(server, Begun(LookupError("somebody else sends it")))
        assert server.heard == []


async def test_connections_are_used_again(begin):
    async with Hostile(at("RCPT", "550 no", connection=None)) as server:
        transport = SMTP("127.0.0.1", server.port, connections=2)
        for _ in range(5):
            with pytest.raises(NotSent):
                await transport.send(MAIL, begin)
        assert server.connections == 1
        assert [step for _, step in server.steps].count("RSET") == 5
        await transport.close()
        assert server.steps[-1] == (1, "QUIT")


async def test_no_more_connections_than_allowed(begin):
    async with Hostile(at("", None)) as server:
        transport = SMTP("127.0.0.1", server.port, connections=3)
        await asyncio.gather(*(transport.send(MAIL, begin) for _ in range(30)))
        await transport.close()
    assert server.connections == 3
    assert len(server.mails) == 30


@pytest.mark.parametrize("farewell", [DROP, "421 4.4.2 idle for too long"])
async def test_a_connection_that_the_server_has_left_is_replaced(begin, farewell):
    mails = 0

    def script(number, step):
        nonlocal mails
        mails += step == "MAIL"
        return farewell if (step, mails) == ("MAIL", 2) else None

    async with Hostile(script) as server:
        transport = SMTP("127.0.0.1", server.port)
        for _ in range(2):
            assert (await transport.send(MAIL, begin)).startswith("250")
        await transport.close()
    assert (server.connections, len(server.mails), begin.times) == (2, 2, 2)


async def test_idle_connections_are_closed(begin):
    async with Hostile(at("", None)) as server:
        transport = SMTP("127.0.0.1", server.port, idle=0.05)
        await transport.send(MAIL, begin)
        async with asyncio.timeout(5):
            while server.open:
                await asyncio.sleep(0.01)
        assert server.steps[-1] == (1, "QUIT")
        await transport.close()


async def test_old_connections_are_not_used_again(begin):
    async with Hostile(at("", None)) as server:
        transport = SMTP("127.0.0.1", server.port, lifetime=0.0)
        for _ in range(3):
            await transport.send(MAIL, begin)
        await transport.close()
    assert server.connections == 3


@pytest.fixture
async def foreign_server():
    """An independent server, which offers STARTTLS and asks for a login."""
    received = []

    class Handler:
        async def handle_DATA(self, server, session, envelope):  # noqa: N802
            received.append((session.auth_data, envelope.content))
            return "250 fine"

    def authenticate(server, session, envelope, mechanism, data):
        good = (data.login, data.password) == (b"ana", b"s3cret:word")
        return foreign.AuthResult(success=good, handled=False, auth_data=data.login if good else None)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "localhost.pem", TLS / "localhost.key")
    options = {"tls_context": context, "auth_required": True, "authenticator": authenticate}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: foreign.SMTP(Handler(), loop=loop, **options), "127.0.0.1", 0)
    yield SimpleNamespace(port=server.sockets[0].getsockname()[1], received=received)
    server.close()
    await server.wait_closed()


TRUSTED = ssl.create_default_context(cafile=TLS / "localhost.pem")


async def test_starttls_and_login(begin, foreign_server):
    mail = replace(MAIL, transcript=Transcript())
    await attempt(
        foreign_server,
        begin,
        mail,
        security="starttls",
        username="ana",
        password="s3cret:word",
        tls_context=TRUSTED,
    )
    assert foreign_server.received == [(b"ana", MAIL.message)]
    said = mail.transcript.below("")
    assert "\n> STARTTLS\n< 220 Ready to start TLS\n= TLSv1.3\n> EHLO " in said
    assert re.search(r"\n> AUTH (LOGIN|PLAIN) \(left out\)\n", said)
    assert "\n< 235 2.7.0 Authentication successful\n> MAIL FROM:<shop@example.com>\n" in said
    assert not re.search(r"s3cret|(?i:czNjcmV0)|YW5h|\bana\b(?!@)", said)


async def test_a_private_ca_by_url(begin, foreign_server):
    login = f"ana:s3cret%3Aword@127.0.0.1:{foreign_server.port}"
    transport = transport_from_url(f"smtp+starttls://{login}?cafile={TLS / 'localhost.pem'}")
    await transport.send(MAIL, begin)
    await transport.close()
    assert len(foreign_server.received) == 1


async def test_a_wrong_password_is_not_the_mails_fault(begin, foreign_server):
    with pytest.raises(NotSent) as outcome:
        await attempt(foreign_server, begin, security="starttls", username="ana", password="no", tls_context=TRUSTED)
    assert (outcome.value.code, outcome.value.permanent) == ("535 5.7.8", False)


async def test_a_certificate_that_cannot_be_verified_ends_it(begin, foreign_server):
    with pytest.raises(NotSent, match="no connection"):
        await attempt(foreign_server, begin, security="starttls", username="ana", password="s3cret:word")
    assert foreign_server.received == []


async def test_starttls_is_required(begin):
    async with Mailbox() as mailbox:
        transport = SMTP("127.0.0.1", int(mailbox.url.rpartition(":")[2]), security="starttls")
        with pytest.raises(NotSent, match="no connection") as outcome:
            await transport.send(MAIL, begin)
        assert "STARTTLS" in outcome.value.text
        assert mailbox.mails == []
