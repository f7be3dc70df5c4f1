"""What becomes of a mail when its server has too much to do, is gone, or refuses it for good."""

import logging

import pytest
from hostile import DROP, Hostile

from toril.job import JobState


async def tried(shop):
    """Let a worker try, past the lane's own pause, which is on the real clock."""
    await shop.mailer._transport.close()
    await shop.work()


@pytest.mark.parametrize("step", ["GREETING", "MAIL", "RCPT", "DATA", "DOT"])
async def test_a_421_waits_and_uses_no_attempt(open_shop, clock, step):
    answers = iter(["421 4.7.0 Too many connections, try again in 2 minutes"] * 2)
    async with Hostile(lambda _, now: next(answers, None) if now == step else None) as server:
        shop = open_shop(server.url, attempts=1)
        handle = await shop.welcome()
        for _ in range(2):
            await tried(shop)
            row = await handle.row()
            assert (row.status, row.send_at) == ("pending", clock.now() + 120_000)
            clock.advance(120)
        await tried(shop)
        assert await handle.status() == "sent"
        lines = [(event.event, event.detail) for event in await handle.timeline() if event.event != "attempt"]
    text = "421 4.7.0 Too many connections, try again in 2 minutes (again in 120 s, no attempt used)"
    assert lines[:3] == [("queued", ""), ("deferred", text), ("deferred", text)]


async def test_a_server_that_is_always_busy_holds_a_mail_for_a_day_and_its_attempts(open_shop, clock):
    async with Hostile(lambda _, step: "421 4.3.2 not now" if step == "MAIL" else None) as server:
        shop = open_shop(server.url, attempts=2)
        handle, waits = await shop.welcome(), []
        for passed in (0, 40, 400, 3_600, 79_000, 4_000):
            clock.advance(passed)
            await tried(shop)
            waits.append(((await handle.row()).send_at - clock.now()) // 1000)
        assert waits[1:] == [10, 110, 300, 300, 30], "the longer the later; after a day the policy's own"
        assert await handle.status() == "pending"
        clock.advance(30)
        await tried(shop)
        told = [event.detail for event in await handle.timeline()]
    assert [line.partition("again in ")[2] for line in told[-3:]] == ["300 s, no attempt used)", "30 s)", ""]
    assert (await handle.status(), told[-1]) == ("failed", "421 4.3.2 not now")


async def test_while_the_breaker_is_open_mails_wait_without_attempts(open_shop, clock):
    async with Hostile(lambda *_: DROP) as server:
        shop = open_shop(server.url, attempts=100)
        handles = [await shop.welcome() for _ in range(20)]
        for _ in range(5):
            await shop.work()
            clock.advance(60)
        assert shop.mailer.health()[0].state == "open"
        tried = server.connections
        assert sum(row.attempts for row in (await shop.mailer.log()).mails) == tried < 20
        await shop.work()
        assert server.connections == tried
        assert (await shop.queue.counts())["ready"] > 0
        assert {await handle.status() for handle in handles} == {"pending"}


@pytest.fixture
def told():
    return []


async def test_the_application_is_told_once_of_a_mail_that_failed_for_good(open_shop, mailbox, clock, told):
    async def tell(row):
        told.append((row.id, row.status, row.recipient, row.error))

    shop = open_shop(mailbox.url, attempts=2, on_permanent_failure=tell)
    refused = await shop.welcome("nobody@example.com")
    await shop.welcome("later@example.com")
    for _ in range(3):
        await shop.work()
        await shop.relay()
        clock.advance(60)
    assert told == [(refused.id, "failed", "nobody@example.com", "550 5.1.1 No such mailbox here")]


async def test_it_is_told_of_mails_that_ran_out_of_attempts(open_shop, clock, told):
    async with Hostile(lambda _, step: "451 4.3.2 later" if step == "RCPT" else None) as server:
        shop = open_shop(server.url, attempts=2, on_permanent_failure=lambda row: told.append(row.attempts))
        await shop.welcome()
        for _ in range(3):
            await shop.work()
            clock.advance(60)
    assert told == [2]


async def test_it_is_told_of_mails_whose_job_failed(open_shop, mailbox, clock, told):
    shop = open_shop(mailbox.url, settings={"deploy_grace": 0}, on_permanent_failure=lambda row: told.append(row.id))
    handle = await shop.welcome()
    await (await shop.job(handle)).remove()
    await shop.queue.add("a-task-that-nobody-knows", job_id=handle.id)
    await shop.work()
    clock.advance(10)
    await shop.relay()
    clock.advance(600)
    await shop.relay()
    assert told == [handle.id]


async def test_its_own_fault_is_logged_and_changes_nothing(open_shop, mailbox, caplog):
    def fail(row):
        raise ValueError(f"PLANTED {row.recipient}")

    shop = open_shop(mailbox.url, on_permanent_failure=fail)
    handle = await shop.welcome("nobody@example.com")
    await shop.work()
    assert await handle.status() == "failed"
    assert (await shop.job(handle)).record.state is JobState.FAILED
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert any(
        f'on_permanent_failure failed mail={handle.id} error="ValueError at fail, line' in text for text in errors
    )
    assert "PLANTED" not in caplog.text
