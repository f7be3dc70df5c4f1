"""The delivery log as people use it: filters, pages, counts, retry, retention, and forgetting a person."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from toril import Worker
from toril.errors import InvalidAddress, InvalidOption, MailNotFound, WrongState
from toril.messaging import Attachment, lookup, maintenance
from toril.messaging.forgetting import trim
from toril.messaging.lookup import Wanted
from toril.messaging.models import EmailFile

DAY = 86_400_000


def at(clock):
    return datetime.fromtimestamp(clock.now() / 1000, UTC)


async def test_filters_and_pages(shop_at, clock):
    handles = []
    for number in range(7):
        to = f"Ana+{number % 2}@example.com"
        handles.append(await shop_at.welcome(to, key=f"key-{number}"))
        clock.advance(60)
    reset = {"name": "Ana", "link": "https://shop.example/x"}
    handles.append(await shop_at.mailer.send("password-reset", to="bob@example.com", context=reset))
    await handles[0].cancel()
    ids = [handle.id for handle in handles]

    async def found(**wanted):
        return [mail.id for mail in (await shop_at.mailer.log(**wanted)).mails]

    assert await found() == ids[::-1]
    assert await found(recipient="ANA+1@example.com") == [ids[5], ids[3], ids[1]]
    assert await found(status="cancelled") == [ids[0]]
    assert await found(type="password-reset") == [ids[7]]
    assert await found(key="key-3") == [ids[3]]
    start = at(clock) - timedelta(minutes=7)
    assert await found(since=start + timedelta(minutes=2), until=start + timedelta(minutes=4)) == [ids[3], ids[2]]
    assert await found(type="welcome", status="pending", recipient="ana+0@example.com") == [ids[6], ids[4], ids[2]]
    first = await shop_at.mailer.log(limit=5)
    await shop_at.welcome("new@example.com")  # pages keep their place
    rest = await shop_at.mailer.log(limit=5, after=first.after)
    assert [mail.id for mail in [*first.mails, *rest.mails]] == ids[::-1]
    assert rest.after is None


@pytest.mark.parametrize(
    ("wanted", "error", "fault"),
    [
        ({"status": "gone"}, InvalidOption, "^status: expected one of pending, sending"),
        ({"recipient": "ana"}, InvalidAddress, "^recipient: expected an address"),
        ({"limit": 0}, InvalidOption, "^limit: expected a whole number from 1 to 1,000"),
        ({"since": datetime(2030, 1, 1)}, InvalidOption, "^since: expected a datetime with a time zone"),  # noqa: DTZ001
    ],
)
async def test_bad_filters_are_one_error(shop, wanted, error, fault):
    with pytest.raises(error, match=fault):
        await shop.mailer.log(**wanted)


NOW = datetime(2027, 1, 15, tzinfo=UTC)
WANTED = {
    "": Wanted(),
    "status": Wanted(status="failed"),
    "type": Wanted(type="welcome"),
    "recipient": Wanted(recipient="ana@example.com"),
    "key": Wanted(key="k"),
    "batch": Wanted(batch="m1"),
    "time": Wanted(since=NOW, until=NOW),
    "status, time": Wanted(status="failed", since=NOW),
    "recipient, status": Wanted(recipient="ana@example.com", status="failed"),
}


def queries(dialect):
    """Return what each screen asks, as plain SQL."""
    asked = {name: lookup.query(wanted, 100, "m9") for name, wanted in WANTED.items()}
    asked["hours"] = lookup.hourly(0, 1)
    return {
        name: str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        for name, query in asked.items()
    }


async def test_every_page_walks_an_index(shop, tmp_path):
    await shop.welcome()
    with sqlite3.connect(tmp_path / "mail.db") as connection:
        for name, query in queries(sqlite.dialect()).items():
            plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
            assert plan.startswith("SEARCH email_logs USING"), (name, plan)
            assert name == "hours" or "TEMP B-TREE" not in plan, (name, plan)


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
async def test_every_page_walks_an_index_on_postgresql(shop_at, place):
    await shop_at.welcome()
    with psycopg.connect(place) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_bitmapscan = off")
        connection.execute("SET enable_sort = off")
        for name, query in queries(postgresql.dialect()).items():
            plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {query}".replace("%", "%%")))
            assert "Index" in plan, (name, plan)
            assert "Seq Scan" not in plan, (name, plan)
            assert name == "hours" or "Sort" not in plan, (name, plan)


async def test_hours(shop_at, clock):
    start = at(clock).replace(minute=0, second=0, microsecond=0)
    clock.advance((start + timedelta(hours=1) - at(clock)).total_seconds())
    for number in (2, 0, 1):
        for _ in range(number):
            await shop_at.welcome()
        await shop_at.welcome("nobody@example.com")
        await shop_at.work()
        clock.advance(3600)
    last = await shop_at.welcome()
    hours = await shop_at.mailer.hours()
    assert [hour.start.hour - start.hour for hour in hours] == [1, 2, 3, 4]
    assert [hour.total for hour in hours] == [3, 1, 2, 1]
    assert hours[0].counts == {"sent": 2, "failed": 1}
    assert hours[1].counts == {"suppressed": 1}  # the first refusal was taken at its word
    assert [hour.sent_rate for hour in hours] == [2 / 3, 0, 1 / 2, None]
    assert await last.status() == "pending"
    with pytest.raises(InvalidOption, match="at most 31 days"):
        await shop_at.mailer.hours(since=start - timedelta(days=40))


# -- trying anew


@pytest.mark.parametrize("keeps_job", [True, False])
async def test_a_failed_mail_is_tried_anew_with_all_its_attempts(open_shop, clock, keeps_job):
    from hostile import Hostile

    codes = iter(["451 4.3.2 busy"] * 3)
    async with Hostile(lambda _, step: next(codes, None) if step == "RCPT" else None) as server:
        shop = open_shop(server.url, attempts=2)
        handle = await shop.welcome()
        for _ in range(2):
            await shop.work()
            clock.advance(30)
        assert (await handle.status(), (await handle.row()).attempts) == ("failed", 2)
        if not keeps_job:
            await (await shop.job(handle)).remove()
        await handle.retry()
        await shop.work()
        row = await handle.row()
        assert (row.status, row.attempts, row.send_at) == (
            "pending",
            3,
            clock.now() + 30_000,
        )  # the first backoff again
        clock.advance(30)
        await shop.work()
        assert await handle.status() == "sent"
        assert await shop.story(handle) == ["queued", "deferred", "failed", "retried", "deferred", "attempt", "sent"]
        with pytest.raises(WrongState, match="is sent: expected failed"):
            await handle.retry()


async def test_a_retry_survives_the_death_of_who_asked(shop, mailbox, clock):
    handle = await shop.welcome("later@example.com")
    await handle.cancel()
    await shop.work()
    clock.advance(60)
    async with shop.mailer._home.stay() as log:
        assert await log.retry(await handle.row())  # and nothing after it
    clock.advance(5)
    await shop.relay()
    await shop.work()
    assert (await handle.row()).attempts == 1


async def test_what_is_not_there_is_not_retried(shop):
    with pytest.raises(MailNotFound, match="the delivery log has no mail m1"):
        await shop.mailer.retry("m1")


# -- erasing


async def test_what_is_old_goes_and_files_with_it(shop_at, clock):
    file = Attachment(b"x", "x.txt")
    old = await shop_at.welcome(attachments=[file], key="k")
    held = await shop_at.welcome(delay=timedelta(days=200))
    await shop_at.work()
    clock.advance(timedelta(days=91).total_seconds())
    new = await shop_at.welcome(attachments=[Attachment(b"y", "y.txt")])
    async with shop_at.mailer._home.stay() as log:
        assert await trim(log, 90 * DAY) == 1
        assert len(await log.read(select(EmailFile))) == 1
    assert [mail.id for mail in (await shop_at.mailer.log()).mails] == [new.id, held.id]
    assert await shop_at.mailer.timeline(old.id) == []
    assert (await shop_at.welcome(attachments=[file], key="k")).id == old.id


async def test_a_worker_deletes_what_is_old(open_shop, clock, monkeypatch):
    monkeypatch.setattr(maintenance.random, "uniform", lambda *_: 0.0)
    shop = open_shop("memory://", keep_days=1)
    old = await shop.welcome()
    await shop.work()
    clock.advance(2 * 86_400)
    worker = Worker(shop.app, queues={"email-queue": 1})
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(20):
        while await shop.mailer.find(old.id) is not None:
            await asyncio.sleep(0.02)
    worker.stop()
    await running


async def test_a_person_is_forgotten(shop_at, mailbox, place, tmp_path):
    await shop_at.mailer.suppress("ana@example.com", scope="marketing", detail="Ana Ruiz said so")
    sent = await shop_at.welcome(
        "Ana Ruiz <Ana@example.com>", key="welcome:ana@example.com", attachments=[Attachment(b"Ana Ruiz", "a.txt")]
    )
    copied = await shop_at.welcome("bob@example.com", cc="Ana Ruiz <ana@example.com>")
    await shop_at.work()
    assert "> RCPT TO:<Ana@example.com>" in (await sent.timeline())[-1].dialogue
    waiting = await shop_at.welcome("ana@example.com")
    assert await shop_at.mailer.forget("ANA@example.com") == 3
    for handle, status in ((sent, "sent"), (waiting, "cancelled")):
        row = await handle.row()
        assert (row.status, row.recipient, row.subject, row.recipient_name) == (status, "forgotten", "", "")
        assert {event.told for event in await handle.timeline()} == {""}
    assert (await copied.row()).recipient == "bob@example.com"
    assert (await copied.row()).extras == ""
    with pytest.raises(WrongState):
        await waiting.retry()
    await shop_at.work()
    assert len(mailbox.mails) == 3
    assert await shop_at.mailer.forget("ana@example.com") == 0
    (kept,) = await shop_at.mailer.suppressions(address="ana@example.com")
    assert kept.address.startswith("sha256:")
    async with shop_at.mailer._home.stay() as log:
        await trim(log, 90 * DAY)
    if place.startswith("sqlite"):
        written = b"".join(path.read_bytes().lower() for path in tmp_path.glob("mail.db*"))
        assert b"bob@example.com" in written
        assert b"ana@example.com" not in written
        assert b"ana ruiz" not in written


async def test_other_people_are_not_forgotten(shop):
    handle = await shop.welcome("banana@example.com")
    assert await shop.mailer.forget("ana@example.com") == 0
    assert (await handle.row()).recipient == "banana@example.com"
