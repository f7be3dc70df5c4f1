"""The outbox's crash points, by number: what a crash or fault leaves behind, and how the mail's story goes on.

C1 row `pending` committed, C2 job added, C3 `sending` committed, the dot, 250, C4 `sent` committed, C5 the job's
outcome recorded. A crash between two of them is made by doing the first and not the second.
"""

import asyncio
import shutil
import sqlite3
from contextlib import closing

import pytest
from hostile import DROP, HANG, Hostile
from shops import WELCOME

from postgres import database
from stores import KINDS, SqliteFile
from toril.job import JobState
from toril.messaging import delivery
from toril.messaging.delivery import Attempt
from toril.messaging.inserting import NewMail
from toril.messaging.transport import SMTP, NotSent
from toril.store.views import WorkerInfo

NOW = 1_800_000_000_000


def new_row(shop):
    return shop.mailer._composer.row("welcome", "ana@example.com", WELCOME, NOW, NOW)[0]


@pytest.fixture(params=["sqlite-file", "redis"])
async def jobs(request):
    """Where the jobs are: in a file, or on a server."""
    async with KINDS[request.param]() as store:
        yield store


@pytest.fixture
def clock(jobs):
    return jobs.clock()


@pytest.fixture
def make_app(jobs):
    return jobs.app


@pytest.fixture
def place(jobs, tmp_path, request, patient):
    """Where the log is: a file beside a file, a server beside a server."""
    if isinstance(jobs, SqliteFile):
        yield f"sqlite:///{tmp_path / 'mail.db'}"
        return
    with database(request.getfixturevalue("postgres_url")) as url:
        yield url


@pytest.fixture
def shop(shop_at):
    return shop_at


async def add_row(shop):
    """C1 without C2."""
    mail = new_row(shop)
    mail.look_at = shop.clock.now() + 5_000
    async with shop.mailer._home.stay() as log:
        await log.add(NewMail(mail))
    return mail


async def begin(shop, mail_id, number=1):
    """C3, and nothing after it."""
    attempt = Attempt(mail_id, number)
    async with shop.mailer._home.stay() as log:
        assert await log.begin(attempt, 120)
    return attempt


async def hand_over(shop, mail_id):
    """C3, the dot, 250, and nothing after it."""
    row = await shop.mailer.find(mail_id)
    await shop.mailer._transport.send(shop.mailer._composer.compose(row), lambda: begin(shop, mail_id))
    await shop.mailer._transport.close()


async def events(shop, mail_id):
    return [event.event for event in await shop.mailer.timeline(mail_id)]


async def until_final(shop, mail_id, rounds=10):
    """Let time pass, the relay look and workers work until the row is final."""
    for _ in range(rounds):
        await shop.relay()
        await shop.work()
        row = await shop.mailer.find(mail_id)
        if row.look_at is None:
            return row.status
        shop.clock.advance(61)
    raise AssertionError(f"still {row.status} after {rounds} rounds")


def ids(mailbox):
    return [mail.message["message-id"] for mail in mailbox.mails]


async def test_2_no_job_was_added(shop, mailbox):
    mail = await add_row(shop)
    assert await until_final(shop, mail.id) == "sent"
    assert len(mailbox.mails) == 1


async def test_3_10_the_job_ran_and_is_offered_again(shop, mailbox):
    handle = await shop.welcome()
    await shop.work()
    await shop.mailer._relay.offer([await shop.mailer.find(handle.id)])
    await shop.work()
    assert await shop.job(handle) is None
    assert len(mailbox.mails) == 1


async def test_5_the_row_is_not_there_yet(shop, mailbox, clock):
    mail = new_row(shop)
    await shop.mailer._relay.offer([mail])
    await shop.work()
    job = await shop.queue.get(mail.id)
    assert (job.record.state, job.record.attempts) == (JobState.DELAYED, 0)
    async with shop.mailer._home.stay() as log:
        await log.add(NewMail(mail))
    clock.advance(5)
    await shop.work()
    assert (await shop.mailer.find(mail.id)).status == "sent"


async def test_5_the_row_never_comes(shop, clock):
    mail = new_row(shop)
    await shop.mailer._relay.offer([mail])
    for _ in range(13):
        await shop.work()
        clock.advance(5)
    job = await shop.queue.get(mail.id)
    assert (job.record.state, job.record.reason) == (JobState.FAILED, "MissingRow: the delivery log has no such mail")


async def hold(shop):
    """Have the jobs that wait taken by a worker that is never heard of again."""
    lost = await shop.app.store.enrol(WorkerInfo("lost", "host", 1, 10.0, {"email-queue": 10}))
    assert (await shop.app.store.step("email-queue", lost, [], [], 10)).taken
    shop.clock.advance(11)


async def test_6_the_worker_was_killed_before_it_began(shop, mailbox):
    handle = await shop.welcome()
    await hold(shop)
    assert await shop.app.store.rescue("email-queue") == [handle.job_id]
    await shop.work()
    assert await shop.story(handle) == ["queued", "attempt", "sent"]
    assert len(mailbox.mails) == 1


async def test_10_the_worker_was_killed_before_it_reported(shop, mailbox):
    handle = await shop.welcome()
    await hold(shop)
    attempt = await begin(shop, handle.id)
    async with shop.mailer._home.stay() as log:
        await log.sent(attempt, "250 fine")
    await shop.app.store.rescue("email-queue")
    await shop.work()
    assert await shop.job(handle) is None
    assert await shop.story(handle) == ["queued", "attempt", "sent"]
    assert mailbox.mails == []


async def test_7_11_lost_after_it_began(shop, mailbox):
    mail = await add_row(shop)
    await begin(shop, mail.id)
    assert await until_final(shop, mail.id) == "sent"
    assert await events(shop, mail.id) == ["queued", "attempt", "unknown", "resend", "attempt", "sent"]
    assert len(mailbox.mails) == 1


async def test_7_nobody_takes_over_before_its_time_is_up(shop, mailbox, clock):
    handle = await shop.welcome()
    await begin(shop, handle.id)
    await shop.work()
    assert (await shop.job(handle)).record.due == clock.now() + 120_000
    clock.advance(119)
    await shop.relay()
    await shop.work()
    assert await handle.status() == "sending"
    assert mailbox.mails == []


@pytest.mark.parametrize("ending", [DROP, HANG])
async def test_8_no_reply_to_the_dot(open_shop, ending):
    endings = iter([ending])
    async with Hostile(lambda _, step: next(endings, None) if step == "DOT" else None) as server:
        shop = open_shop(f"{server.url}?limit=1")
        handle = await shop.welcome()
        assert await until_final(shop, handle.id) == "sent"
        assert await shop.story(handle) == ["queued", "attempt", "unknown", "resend", "attempt", "sent"]
        assert (len(server.heard), len(server.mails)) == (2, 1)


async def test_9_the_250_was_not_written_down(shop, mailbox):
    handle = await shop.welcome()
    await hand_over(shop, handle.id)
    assert await until_final(shop, handle.id) == "sent"
    assert await shop.story(handle) == ["queued", "attempt", "unknown", "resend", "attempt", "sent"]
    assert ids(mailbox) == [f"<{handle.id}@example.com>"] * 2


async def test_12_what_lies_on_the_disk_at_the_dot_says_sending(open_shop, tmp_path):
    """The log is on FULL: what is committed is what a power cut leaves, and it is committed before the dot."""
    found = []

    def script(_, step):
        if step in {"MAIL", "DATA", "DOT"}:
            for file in tmp_path.glob("mail.db*"):
                shutil.copy(file, tmp_path / f"{step}-{file.name}")
            with closing(sqlite3.connect(tmp_path / f"{step}-mail.db")) as copy:
                found.extend(copy.execute("SELECT status, attempts FROM email_logs"))

    async with Hostile(script) as server:
        shop = open_shop(server.url)
        await shop.welcome()
        await shop.work()
        async with shop.mailer._home.stay() as log:
            await log.open()
            level = await log._transactions.run(
                lambda connection: connection.exec_driver_sql("PRAGMA synchronous").scalar()
            )
    assert level == 2
    assert found == [("pending", 0), ("sending", 1), ("sending", 1)]


@pytest.mark.parametrize("begun", [False, True])
async def test_13_14_the_job_store_forgot_everything(shop, mailbox, jobs, begun):
    handle = await shop.welcome()
    if begun:
        await begin(shop, handle.id)
    await shop.app.close()
    jobs.lose_all()
    assert await until_final(shop, handle.id) == "sent"
    assert len(mailbox.mails) == 1


async def test_15_a_sender_that_was_taken_for_dead(shop, mailbox, clock):
    mail = await add_row(shop)
    zombie = await begin(shop, mail.id)
    clock.advance(126)
    await shop.relay()
    await shop.work()
    clock.advance(30)
    await shop.work()
    async with shop.mailer._home.stay() as log:
        assert not await log.failed(zombie, "550 what do I know")
        await log.sent(zombie, "250 after all")
    assert (await shop.mailer.find(mail.id)).attempts == 2
    assert await events(shop, mail.id) == [
        "queued", "attempt", "unknown", "resend", "attempt", "sent", "late reply",
    ]  # fmt: skip


async def test_16_a_refusal_that_was_not_written_down(open_shop):
    """It is undecided though it was refused; sending it again doubles nothing."""
    answers = iter(["451 4.3.0 later"])
    async with Hostile(lambda _, step: next(answers, None) if step == "DOT" else None) as server:
        shop = open_shop(server.url)
        handle = await shop.welcome()
        with pytest.raises(NotSent, match="451"):
            await hand_over(shop, handle.id)
        assert await until_final(shop, handle.id) == "sent"
        assert await shop.story(handle) == ["queued", "attempt", "unknown", "resend", "attempt", "sent"]
        assert (len(server.heard), len(server.mails)) == (2, 1)


async def test_17_a_run_before_the_next_try_goes_back_to_sleep(shop, mailbox):
    handle = await shop.welcome(delay=30)
    mail = await shop.mailer.find(handle.id)
    await shop.mailer._relay.offer([mail])
    await shop.work()
    assert (await shop.job(handle)).record.due == mail.send_at
    assert mailbox.mails == []


@pytest.mark.parametrize(("begun", "status"), [(False, "failed"), (True, "unknown")])
async def test_18_the_job_fails_for_good_without_the_row(open_shop, mailbox, clock, begun, status):
    shop = open_shop(mailbox.url, settings={"deploy_grace": 0})
    mail = await add_row(shop)
    await shop.queue.add("a-task-that-nobody-knows", job_id=mail.id)
    if begun:
        await begin(shop, mail.id)
    await shop.work()
    assert await (await shop.queue.get(mail.id)).state() is JobState.FAILED
    clock.advance(126)
    await shop.relay()
    row = await shop.mailer.find(mail.id)
    assert (row.status, row.look_at) == (status, None)
    assert row.error.startswith("its job failed: no worker here knows task 'a-task-that-nobody-knows'")
    assert mailbox.mails == []


async def test_20_the_log_is_down_when_it_would_begin(open_shop, mailbox, tmp_path, monkeypatch, clock):
    monkeypatch.setattr(delivery, "BEGIN", 0.3)
    stranger = sqlite3.connect(tmp_path / "mail.db", isolation_level=None)

    def script(_, step):
        if step == "RCPT":
            stranger.execute("BEGIN EXCLUSIVE")

    async with Hostile(script) as server:
        shop = open_shop(server.url)
        handle = await shop.welcome()
        await shop.work()
        stranger.execute("ROLLBACK")
        assert server.heard == []
        job = await shop.job(handle)
        assert (job.record.state, job.record.attempts) == (JobState.DELAYED, 0)
        row = await shop.mailer.find(handle.id)
        assert (row.status, row.attempts) == ("pending", 0)
    stranger.close()


async def test_21_the_log_is_down_when_it_is_sent(open_shop, tmp_path):
    stranger = sqlite3.connect(tmp_path / "mail.db", isolation_level=None, check_same_thread=False)

    def script(_, step):
        if step == "DOT":
            stranger.execute("BEGIN EXCLUSIVE")
            asyncio.get_running_loop().call_later(1.5, stranger.execute, "ROLLBACK")

    async with Hostile(script) as server:
        shop = open_shop(server.url)
        handle = await shop.welcome()
        await shop.work()
        assert await handle.status() == "sent"
        assert len(server.mails) == 1
    stranger.close()


async def test_22_cancel_while_it_is_being_sent_is_too_late(open_shop):
    answers = []

    def script(_, step):
        if step == "DATA":
            answers.append(asyncio.ensure_future(handle.cancel()))

    async with Hostile(script) as server:
        shop = open_shop(server.url)
        handle = await shop.welcome()
        await shop.work()
        assert await answers[0] is False
        assert await handle.status() == "sent"


async def test_22_cancel_before_it_begins_wins(open_shop):
    class Slow(SMTP):
        """Begins once a cancel is through."""

        async def send(self, envelope, begin):
            async def late():
                assert await handle.cancel()
                await begin()

            return await super().send(envelope, late)

    async with Hostile(lambda _, __: None) as server:
        shop = open_shop(Slow("127.0.0.1", server.port))
        handle = await shop.welcome()
        await shop.work()
        assert await shop.story(handle) == ["queued", "cancelled"]
        assert server.heard == []


@pytest.mark.parametrize("jobs", ["sqlite-file"], indirect=True)
async def test_23_the_log_was_restored_from_a_backup(shop, mailbox, jobs, tmp_path, clock):
    """Mails were sent after it: all that was not final then is held, and nothing goes out by itself."""
    done, waiting = await shop.welcome(), await shop.welcome(delay=60)
    await shop.work()
    late = [await shop.welcome() for _ in range(2)]
    begun = await add_row(shop)
    await begin(shop, begun.id)
    with closing(sqlite3.connect(tmp_path / "mail.db")) as live, closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        live.backup(copy)
    await shop.work()
    assert len(mailbox.mails) == 3
    await shop.app.close()
    jobs.lose_all()
    for file in tmp_path.glob("mail.db*"):
        file.unlink()
    (tmp_path / "copy.db").rename(tmp_path / "mail.db")
    async with shop.mailer._home.stay() as log:
        assert await log.hold_unfinished("restored from a backup of 08:00") == 4
    for _ in range(10):
        await shop.relay()
        await shop.work()
        clock.advance(300)
    assert len(mailbox.mails) == 3
    assert await done.status() == "sent"
    for mail_id in (waiting.id, begun.id, *(handle.id for handle in late)):
        row = await shop.mailer.find(mail_id)
        assert (row.status, row.error) == ("unknown", "restored from a backup of 08:00")
        assert (await events(shop, mail_id))[-2:] == ["unknown", "held"]
    assert await shop.mailer.release(recipient="nobody@example.com") == 0
    assert await shop.mailer.release(type="welcome") == 4
    assert await shop.mailer.release() == 0
    for mail_id in (waiting.id, begun.id, *(handle.id for handle in late)):
        assert await until_final(shop, mail_id) == "sent"
        assert "released" in await events(shop, mail_id)
    assert len(mailbox.mails) == 3 + 4
