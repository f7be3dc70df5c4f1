"""What stands in front of transports: breakers, failover, and the pace that a server bears."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from hostile import DROP, Hostile
from test_smtp import MAIL, at

from toril.errors import ConfigurationError
from toril.messaging.mailbox import Mailbox
from toril.messaging.transport import SMTP, Breaker, Busy, Failover, Memory, NotNow, NotSent, Undecided
from toril.messaging.transport import breaker as module
from toril.messaging.transport.pace import Pace


@pytest.fixture
def now(monkeypatch):
    """A clock that the test moves, for the breakers."""
    clock = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.seconds))
    return clock


@pytest.fixture
async def nowhere():
    """A port on which nobody listens."""
    async with Hostile(at("", None)) as server:
        pass
    return server.port


async def begin():
    """Begin."""


async def fail(transport, error=NotSent):
    with pytest.raises(error) as raised:
        await transport.send(MAIL, begin)
    return raised.value


async def test_a_breaker_opens_after_failures_in_a_row_and_probes_with_one(now, nowhere):
    breaker = Breaker(SMTP("127.0.0.1", nowhere), failures=3, pause=10)
    assert breaker.health()[0].state == "closed"
    for _ in range(3):
        await fail(breaker)
    (health,) = breaker.health()
    assert (health.state, health.failures, health.opens_in, health.last_error) == ("open", 3, 10, "no connection")
    assert (await fail(breaker, NotNow)).seconds == 10
    now.seconds = 10
    assert breaker.health()[0].state == "half-open"
    probe, other = await asyncio.gather(*(breaker.send(MAIL, begin) for _ in range(2)), return_exceptions=True)
    assert (type(probe), type(other)) == (NotSent, NotNow)
    assert (await fail(breaker, NotNow)).seconds == 20  # the probe failed: twice as long


async def test_a_probe_that_works_closes_it(now):
    broken = True
    async with Hostile(lambda _, step: DROP if broken and step == "GREETING" else None) as server:
        breaker = Breaker(SMTP("127.0.0.1", server.port), failures=2, pause=10)
        for _ in range(2):
            await fail(breaker)
        broken, now.seconds = False, 10
        assert (await breaker.send(MAIL, begin)).startswith("250")
        assert breaker.health()[0].state == "closed"
        await breaker.close()


@pytest.mark.parametrize("answer", ["550 5.1.1 unknown", "451 4.7.1 greylisted", "421 4.7.0 busy"])
async def test_a_server_that_refuses_mails_is_there(now, answer):
    async with Hostile(at("RCPT", answer)) as server:
        breaker = Breaker(SMTP("127.0.0.1", server.port), failures=1)
        await fail(breaker)
        assert breaker.health()[0].state == "closed"


async def test_no_reply_to_the_mail_counts(now):
    async with Hostile(at("DOT", DROP)) as server:
        breaker = Breaker(SMTP("127.0.0.1", server.port), failures=1)
        await fail(breaker, Undecided)
        assert breaker.health()[0].state == "open"


@pytest.mark.parametrize(
    ("step", "answer"), [("GREETING", DROP), ("GREETING", "421 busy"), ("MAIL", "451 later"), ("RCPT", DROP)]
)
async def test_the_second_takes_what_the_first_cannot(step, answer):
    second = Memory()
    async with Hostile(at(step, answer)) as server:
        failover = Failover(SMTP("127.0.0.1", server.port), second)
        assert await failover.send(MAIL, begin) == "kept"
        await failover.close()
    assert second.sent == [MAIL]


@pytest.mark.parametrize(
    ("step", "answer", "error"),
    [("RCPT", "550 no", NotSent), ("DATA", "451 later", NotSent), ("DATA", DROP, NotSent), ("DOT", DROP, Undecided)],
)
async def test_what_was_begun_or_refused_for_good_goes_nowhere_else(step, answer, error):
    second = Memory()
    async with Hostile(at(step, answer)) as server:
        await fail(Failover(SMTP("127.0.0.1", server.port), second), error)
    assert second.sent == []


async def test_an_open_breaker_is_passed_over_and_all_open_say_when(now, nowhere):
    second = Memory()
    failover = Failover(Breaker(SMTP("127.0.0.1", nowhere), failures=1), second)
    for _ in range(3):
        await failover.send(MAIL, begin)
    assert [health.state for health in failover.health()] == ["open", "closed"]
    both = Failover(*(Breaker(SMTP("127.0.0.1", nowhere), failures=1, pause=pause) for pause in (20, 10)))
    refused = await fail(both)
    assert refused.text.count("no connection to") == 2
    assert (await fail(both, NotNow)).seconds == 10


def test_a_failover_of_one_is_none():
    with pytest.raises(ConfigurationError, match=r"^failover: expected two transports or more, got 1"):
        Failover(Memory())


async def test_a_crowded_server_gets_half_the_connections_and_then_one_more_at_a_time():
    crowded = True

    def script(_, step):
        return "421 4.7.0 Too many connections, try again in 1 seconds" if crowded and step == "GREETING" else None

    async with Hostile(script) as server:
        transport = SMTP("127.0.0.1", server.port, connections=8)
        outcomes = await asyncio.gather(*(transport.send(MAIL, begin) for _ in range(20)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {Busy, NotNow}
        pace = transport._pools["transactional"].pace
        assert pace.allowed == 4
        assert (await fail(transport, NotNow)).seconds <= 1
        crowded = False
        pace._opens_at = 0
        await asyncio.gather(*(transport.send(MAIL, begin) for _ in range(60)))
        assert server.open <= 6
        assert pace.allowed == 5
        await asyncio.gather(*(transport.send(MAIL, begin) for _ in range(300)))
        assert pace.allowed == 8
        await transport.close()


async def test_pauses_double_while_the_complaints_go_on():
    pace = Pace(4)
    waits = []
    for _ in range(7):
        pace._opens_at = 0
        waits.append(round(pace.complain(None)))
        assert round(pace.complain(None)) == waits[-1]  # of the same crowd
    assert waits == [2, 4, 8, 16, 32, 60, 60]
    pace._opens_at = 0
    pace.praise()
    assert round(pace.complain(None)) == 2


async def test_who_waits_for_a_place_and_is_cancelled_takes_none():
    pace = Pace(1)
    await pace.enter()
    waiting = asyncio.create_task(pace.enter())
    await asyncio.sleep(0)
    waiting.cancel()
    pace.leave()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1):
        await pace.enter()


async def test_subscribed_mail_has_connections_of_its_own():
    held = asyncio.Event()

    class Held(SMTP):
        async def send(self, envelope, begin):
            async def wait():
                if envelope.kind == "subscribed":
                    await held.wait()

            return await super().send(envelope, wait)

    async with Mailbox() as mailbox:
        transport = Held("127.0.0.1", int(mailbox.url.rpartition(":")[2]), connections=2, subscribed=1)
        news = [MAIL.__class__(MAIL.sender, MAIL.recipient, MAIL.message, "subscribed") for _ in range(5)]
        slow = [asyncio.create_task(transport.send(mail, begin)) for mail in news]
        begun = time.monotonic()
        await transport.send(MAIL, begin)
        assert time.monotonic() - begun < 1
        assert len(mailbox.mails) == 1
        held.set()
        await asyncio.gather(*slow)
        await transport.close()
