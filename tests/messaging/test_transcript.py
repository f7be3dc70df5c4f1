"""What was said to a server stands in the timeline of the mail, line by line, and nothing that is secret."""

import pytest
from hostile import DROP, Hostile
from test_resend import ACCEPTED, Api, a_mail, refusal
from test_smtp import MAIL, at

from toril.messaging.transport import SMTP, Busy, Failover, Memory, Resend, Transcript


async def begin():
    pass


def lines(envelope):
    return envelope.transcript.below("").splitlines()[1:]


def mail():
    return type(MAIL)(MAIL.sender, MAIL.recipient, MAIL.message)


OPENED = ["= connected to 127.0.0.1, no TLS", "< 220 hostile", "> EHLO shop.example.com", "< 250 2.0.0 OK"]
ASKED = ["> MAIL FROM:<shop@example.com>", "< 250 2.0.0 OK", "> RCPT TO:<ana@example.com>"]
TAKEN = ["< 250 2.0.0 OK", "> DATA", "< 354 go on", f"> (the mail, {len(MAIL.message)} bytes)", "< 250 2.0.0 OK"]


@pytest.fixture(autouse=True)
def name(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "shop.example.com")


async def test_a_new_connection_and_one_that_was_used_before():
    async with Hostile(at("", None)) as server:
        transport = SMTP("localhost", server.port)
        first, second = mail(), mail()
        for one in (first, second):
            await transport.send(one, begin)
        await transport.close()
    assert lines(first) == [f"= localhost, port {server.port}, a new connection", *OPENED, *ASKED, *TAKEN]
    known = f"= localhost (127.0.0.1), port {server.port}, no TLS, a connection that was used before"
    assert lines(second) == [known, *ASKED, *TAKEN]


async def test_a_refusal_of_several_lines_and_what_follows():
    refused = "550-5.1.1 no such user\r\n550 5.1.1 at all\xff"
    async with Hostile(at("RCPT", refused)) as server:
        transport, one = SMTP("127.0.0.1", server.port), mail()
        with pytest.raises(Exception, match="550"):
            await transport.send(one, begin)
        await transport.close()
    said = ["< 550 5.1.1 no such user", "< 550 5.1.1 at allÿ", "> RSET", "< 250 2.0.0 OK"]
    assert lines(one)[1:] == [*OPENED, *ASKED, *said]


@pytest.mark.parametrize(("step", "last"), [("RCPT", "> RCPT TO:<ana@example.com>"), ("DOT", TAKEN[3])])
async def test_a_connection_that_is_lost(step, last):
    async with Hostile(at(step, DROP)) as server:
        one = mail()
        with pytest.raises(Exception, match="connection lost"):
            await SMTP("127.0.0.1", server.port).send(one, begin)
    assert lines(one)[-2:] == [last, "= the server hung up"]


async def test_a_server_that_is_not_there_and_the_next_one():
    async with Hostile(at("GREETING", "554 5.3.2 not today")) as server:
        pass
    one = mail()
    async with Hostile(at("GREETING", "554 5.3.2 not today")) as other:
        with pytest.raises(Exception, match="554"):
            await Failover(SMTP("127.0.0.1", server.port), SMTP("127.0.0.1", other.port)).send(one, begin)
    gone, why, next_one, no = lines(one)
    assert gone == f"= 127.0.0.1, port {server.port}, a new connection"
    assert why.startswith(f"= no connection to 127.0.0.1:{server.port}: ")
    assert (next_one, no) == (f"= 127.0.0.1, port {other.port}, a new connection", "< 554 5.3.2 not today")


async def test_a_request_and_its_answer():
    async with Api(refusal(429, "rate_limit_exceeded", "slow down", **{"retry-after": "7"}), ACCEPTED) as api:
        transport = Resend("re_key", base_url=api.url)
        first, second = a_mail(), a_mail()
        with pytest.raises(Busy):
            await transport.send(first, begin)
        transport._pace._opens_at = 0
        await transport.send(second, begin)
        await transport.close()
    answer = ["< 429 X", "< 429 Retry-After: 7", "< 429 rate_limit_exceeded slow down"]
    assert lines(first) == [f"= {api.url}, a new connection", "> POST /emails", *answer]
    known = f"= {api.url}, a connection that was used before"
    assert lines(second) == [known, "> POST /emails", "< 200 X", f"< 200 {ACCEPTED[1]['id']}"]


async def test_a_transport_that_says_nothing_leaves_none():
    one = mail()
    await Memory().send(one, begin)
    assert one.transcript.below("kept") == "kept"


def test_it_is_bounded_and_of_text_that_a_database_takes():
    transcript = Transcript()
    transcript.note("here")
    for number in range(1_000):
        transcript.heard(250, f"{number}\nwith \x00\x1b[31m\udcff {'x' * 1_000}")
    told = transcript.below("sent")
    assert len(told) < 20_000
    assert told.splitlines()[:3] == ["sent", "= here", "< 250 0"]
    assert told.count("\n") == 61
    assert "= 1941 lines left out" in told
    assert "< 250 with   [31m� xx" in told


async def test_it_stands_in_the_timeline(open_shop, clock):
    answers = iter(["451 4.7.1 <ana@example.com> greylisted"])
    async with Hostile(lambda _, step: next(answers, None) if step == "RCPT" else None) as server:
        shop = open_shop(server.url)
        handle = await shop.welcome()
        await shop.work()
        clock.advance(30)
        await shop.work()
    deferred, sent = [event for event in await handle.timeline() if event.dialogue]
    assert (deferred.event, deferred.detail[:41]) == ("deferred", "451 4.7.1 <ana@example.com> greylisted (a")
    assert deferred.dialogue[-3:] == ["< 451 4.7.1 <ana@example.com> greylisted", "> RSET", "< 250 2.0.0 OK"]
    assert (sent.event, sent.detail) == ("sent", "250 2.0.0 OK")
    assert sent.dialogue[-4] == "> DATA"
