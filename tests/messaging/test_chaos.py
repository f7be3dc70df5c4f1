"""2,000 mails through a server that misbehaves in all known ways: all that can arrive arrive, and the log knows it."""

import asyncio
from collections import Counter

import pytest
from audit import agrees, connecting, duplicates, read, report
from chaos import NO_TLS, Chaos
from hostile import Hostile
from shops import WELCOME
from test_smtp import MAIL

from toril import Fixed, Worker
from toril.messaging import Mailer
from toril.messaging.transport import SMTP, Breaker, NotSent, transport_from_url

MAILS = 2_000
# A third of all are put off with 451 once or twice.
MIX = ["good"] * 8 + ["later"] * 5 + ["later-twice"] * 3 + ["grey", "midline", "lose", "vanish", "half"] * 1
MIX += ["nobody", "hang-data", "hang"]


def treatments():
    for number in range(MAILS):
        yield f"{'busy' if number % 400 == 7 else MIX[number % len(MIX)]}.{number}@example.com"


async def until_final(mailer, seconds):
    async with asyncio.timeout(seconds):
        while {"pending", "sending"} & set(await mailer.counts()):
            await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_2000_mails_through_a_hostile_server(make_app, tmp_path):
    async with Chaos() as chaos:
        transport = transport_from_url(f"{chaos.url}&connections=20&limit=2")
        app = make_app()
        mailer = Mailer(
            app,
            Breaker(transport, failures=40, pause=0.5),  # a hostile server is not a dead one
            from_address="Shop <shop@example.com>",
            attempts=40,
            backoff=Fixed(0.3),
            log_url=f"sqlite:///{tmp_path / 'mail.db'}",
        )
        worker = Worker(app, queues={"email-queue": 100})
        running = asyncio.create_task(worker.run())
        recipients = list(treatments())
        for start in range(0, MAILS, 200):
            batch = recipients[start : start + 200]
            await asyncio.gather(*(mailer.send("welcome", to=to, context=WELCOME) for to in batch))
        await until_final(mailer, 240)
        worker.stop()
        await running
        await app.close()

    stories = read(f"sqlite:///{tmp_path / 'mail.db'}")
    assert len(stories) == MAILS
    for story in stories:
        deeds = chaos.deeds[story.row.recipient]
        lines = [line for line in story.lines if not connecting(line)]
        assert len(lines) == len(deeds), (story, deeds)
        assert all(map(agrees, lines, deeds)), (story, deeds)
        assert story.row.status == ("failed" if story.row.recipient.startswith("nobody") else "sent"), story
        assert sum(deed.kept for deed in deeds) <= 1 + story.undecided
    assert sum(connecting(line) for story in stories for line in story.lines) == chaos.failed_connections > 100
    twice = duplicates(stories, chaos)
    undecided = {story.row.recipient for story in stories if story.undecided}
    assert twice.keys() <= undecided
    report(f"{chaos.kept} mails kept; {len(undecided)} rows undecided, of which {len(twice)} arrived twice:")
    report(Counter(recipient.partition(".")[0] for recipient in twice), *sorted(twice))


@pytest.mark.parametrize("answer", [NO_TLS, "220 go ahead\r\nthis is no handshake", "500 what"])
async def test_starttls_that_fails_sends_nothing_in_clear(answer):
    async def begin():
        raise AssertionError

    def script(_, step):
        return {"EHLO": "250-hostile\r\n250 STARTTLS", "STAR": answer}.get(step)

    async with Hostile(script) as server:
        transport = SMTP("127.0.0.1", server.port, security="starttls", username="ana", password="hush")
        with pytest.raises(NotSent) as outcome:
            await transport.send(MAIL, begin)
        assert not outcome.value.permanent
        assert outcome.value.unreachable
        assert not {"MAIL", "RCPT", "AUTH", "DATA"} & {step for _, step in server.steps}
