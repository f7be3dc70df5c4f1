"""The mailer: what is accepted, what is refused, and what becomes of it."""

import asyncio
import logging
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from hostile import DROP, Hostile
from shops import WELCOME
from sqlalchemy.orm import Session

from toril import Rate
from toril.clock import SystemClock
from toril.errors import (
    ConfigurationError,
    InvalidAddress,
    InvalidContext,
    InvalidMessage,
    InvalidOption,
    InvalidSettings,
    LoopRunning,
    StoreUnavailable,
    UnknownTemplate,
)
from toril.job import JobState
from toril.messaging import Attachment, Context, Mailer, MessageType
from toril.settings import Settings
from toril.worker.banner import banner

RESET = {"name": "Ana", "link": "https://shop.example/reset?t=PLANTED-TOKEN"}


async def test_a_mail_goes_out_and_its_row_tells_so(shop, mailbox, clock):
    handle = await shop.welcome("Ana Ruiz <ana@example.com>")
    assert await handle.status() == "pending"
    await shop.work()
    assert await handle.status() == "sent"
    (mail,) = mailbox.mails
    assert (mail.sender, mail.recipients) == ("shop@example.com", ("ana@example.com",))
    message = mail.message
    assert message["from"] == "Shop <shop@example.com>"
    assert message["to"] == "Ana Ruiz <ana@example.com>"
    assert message["subject"] == "Welcome to Shop, Ana"
    assert message["message-id"] == f"<{handle.id}@example.com>"
    assert parsedate_to_datetime(message["date"]).timestamp() == clock.now() // 1000
    for kind in ("plain", "html"):
        assert "https://shop.example/start" in message.get_body((kind,)).get_content()
    assert await shop.story(handle) == ["queued", "attempt", "sent"]
    row = await shop.mailer.find(handle.id)
    assert (row.attempts, row.error, row.sent_at, row.look_at) == (1, None, clock.now(), None)
    assert await shop.mailer.counts() == {"sent": 1}


async def test_the_job_holds_the_rows_id_and_goes_with_it(shop):
    handle = await shop.welcome()
    job = await shop.job(handle)
    assert job.record.data == f'{{"id":"{handle.id}"}}'
    assert job.record.priority == 3
    await shop.work()
    assert await shop.job(handle) is None


@pytest.mark.parametrize(
    ("call", "error", "fault"),
    [
        ({"name": "wellcome"}, UnknownTemplate, "no message type 'wellcome' .known: .*verification-code, welcome.; did you mean 'welcome'"),
        ({"to": "ana@"}, InvalidAddress, "^to: expected an address"),
        ({"to": "ana@example.com\r\nBcc: all@example.com"}, InvalidAddress, "^to: .*without line breaks"),
        ({"context": {"name": "Ana"}}, InvalidContext, r"^context\.link: field required"),
        ({"context": {**WELCOME, "name": "Ana\nBcc: all@example.com"}}, InvalidContext, "^subject of 'welcome': expected one line"),
        ({"priority": -1}, InvalidOption, "^priority: expected a whole number from 0 to 2,097,151, got -1"),
        ({"delay": -1}, InvalidOption, "^delay: expected seconds"),
        ({"delay": float("nan")}, InvalidOption, "^delay: expected seconds"),
        ({"at": datetime(2030, 1, 1)}, InvalidOption, "^at: expected a datetime with a time zone"),  # noqa: DTZ001
        ({"at": datetime(2030, 1, 1, tzinfo=UTC), "delay": 1}, InvalidOption, "^at, delay: expected one of them"),
        ({"cc": 5}, InvalidMessage, "^cc: expected an address or a list of them, got int"),
        ({"bcc": {"a@example.com": "Ana"}}, InvalidMessage, "^bcc: expected an address or a list of them, got dict"),
        ({"headers": ["X-One"]}, InvalidMessage, "^headers: expected a mapping of names to lines, got list"),
        ({"attachments": Attachment(b"x", "a.txt")}, InvalidMessage, "^attachments: expected a list .*, got Attachment"),
        ({"session": Session()}, InvalidOption, "^session: expected an SQLAlchemy AsyncSession, got Session; see also send_sync"),
    ],
)  # fmt: skip
async def test_bad_input_is_one_error_and_writes_nothing(shop, call, error, fault):
    await shop.app.open()
    arguments = {"name": "welcome", "to": "ana@example.com", "context": WELCOME, **call}
    with pytest.raises(error, match=fault):
        await shop.mailer.send(arguments.pop("name"), **arguments)
    assert (await shop.mailer.log()).mails == []
    assert sum((await shop.queue.counts()).values()) == 0


@pytest.mark.parametrize(
    ("options", "error", "fault"),
    [
        ({}, ConfigurationError, "^transport: expected a URL .*MAIL_HOST"),
        ({"transport": "smtp://localhost"}, ConfigurationError, "^from_address: .*MAIL_FROM_ADDRESS"),
        ({"transport": "smtp://localhost", "from_address": "shop"}, InvalidAddress, "^from_address: expected"),
        ({"transport": "memory://", "from_address": "a@b.example", "log_url": "mysql://x"}, InvalidSettings, "^log_url: expected sqlite:// or postgresql://, got mysql"),
        ({"transport": "memory://", "from_address": "a@b.example", "log_url": "mail.db"}, InvalidSettings, "^log_url: expected a URL"),
        ({"transport": "memory://", "from_address": "a@b.example", "attempts": 0}, InvalidOption, "^attempts: expected"),
        ({"transport": "memory://", "from_address": "a@b.example", "limits": Rate(5)}, InvalidOption, "^limits: expected MailLimits"),
        ({"transport": "memory://", "from_address": "a@b.example", "max_attachments": -1}, InvalidOption, "^max_attachments: expected"),
        ({"transport": "memory://", "from_address": "a@b.example", "templates": "/nowhere"}, ConfigurationError, "^templates: expected a folder"),
    ],
)  # fmt: skip
def test_bad_declarations_are_one_error(make_app, options, error, fault):
    with pytest.raises(error, match=fault):
        Mailer(make_app(), **options)


async def test_settings_name_transport_and_sender(make_app, mailbox, clock, tmp_path):
    host, _, port = mailbox.url.removeprefix("smtp://").partition(":")
    env = {"MAIL_HOST": host, "MAIL_PORT": port, "MAIL_FROM_ADDRESS": "a@shop.example", "MAIL_FROM_NAME": "A Shop"}
    env["TORIL_MAIL_LOG_URL"] = f"sqlite+aiosqlite:///{tmp_path / 'own.db'}"
    app = make_app(clock)
    app.settings = Settings(env=env, dotenv=None)
    mailer = Mailer(app)
    await mailer.send("welcome", to="ana@example.com", context=WELCOME)
    from toril import Worker

    await Worker(app, queues={"email-queue": 1}, burst=True).run()
    assert mailbox.mails[0].message["from"] == "A Shop <a@shop.example>"
    assert (tmp_path / "own.db").exists()


async def test_a_451_is_tried_again_without_using_the_jobs_attempts(shop, mailbox, clock):
    handle = await shop.welcome("later@example.com")
    await shop.work()
    row = await shop.mailer.find(handle.id)
    assert (row.status, row.attempts, row.error) == ("pending", 1, "451 4.7.1 Greylisted, please try again later")
    assert row.send_at == clock.now() + 30_000
    job = await shop.job(handle)
    assert (job.record.state, job.record.attempts, job.record.due) == (JobState.DELAYED, 0, row.send_at)
    clock.advance(30)
    await shop.work()
    assert await shop.story(handle) == ["queued", "deferred", "attempt", "sent"]
    assert len(mailbox.mails) == 1


async def test_a_550_fails_the_row_and_the_job(shop, mailbox):
    handle = await shop.welcome("nobody@example.com")
    await shop.work()
    row = await shop.mailer.find(handle.id)
    assert (row.status, row.attempts, row.error, row.look_at) == ("failed", 1, "550 5.1.1 No such mailbox here", None)
    job = await shop.job(handle)
    assert (job.record.state, job.record.reason) == (JobState.FAILED, "PermanentFailure 550 5.1.1")
    assert mailbox.mails == []


async def test_attempts_run_out(open_shop, clock):
    async with Hostile(lambda _, step: "451 4.3.2 busy" if step == "RCPT" else None) as server:
        shop = open_shop(server.url, attempts=3)
        handle = await shop.welcome()
        for _ in range(5):
            await shop.work()
            clock.advance(30)
        assert [step for _, step in server.steps].count("RCPT") == 3
    assert await shop.story(handle) == ["queued", "deferred", "deferred", "failed"]
    assert (await shop.job(handle)).record.reason == "OutOfAttempts 451 4.3.2"


async def test_the_servers_time_is_honoured(open_shop, clock):
    answers = iter(["451 4.7.1 Greylisted, try again in 7 minutes"])
    async with Hostile(lambda _, step: next(answers, None) if step == "RCPT" else None) as server:
        shop = open_shop(server.url)
        handle = await shop.welcome()
        await shop.work()
        assert (await shop.mailer.find(handle.id)).send_at == clock.now() + 420_000
        clock.advance(419)
        await shop.work()
        assert await handle.status() == "pending"
        clock.advance(1)
        await shop.work()
        assert await handle.status() == "sent"


async def test_a_reply_of_any_bytes_is_logged(open_shop):
    reply = "550 no\udcff\udcfe\x00\x07 " + "x" * 5_000
    async with Hostile(lambda _, step: reply if step == "RCPT" else None) as server:
        shop = open_shop(server.url)
        handle = await shop.welcome()
        await shop.work()
    row = await shop.mailer.find(handle.id)
    assert row.error.startswith("550 no\ufffd\ufffd   x")
    assert len(row.error) == 1_000


@pytest.mark.parametrize("when", ["at", "delay"])
async def test_a_scheduled_mail_waits_in_the_log_only(shop, mailbox, clock, when):
    day = timedelta(days=30)
    moment = datetime.fromtimestamp(clock.now() / 1000, UTC) + day
    handle = await shop.welcome(**{when: moment if when == "at" else day})
    assert await shop.relay() == 0
    assert await shop.job(handle) is None
    clock.advance(day.total_seconds())
    assert await shop.relay() == 1
    await shop.work()
    assert await handle.status() == "sent"
    assert next(event.detail for event in await handle.timeline()).startswith("for 2027-02-")
    assert len(mailbox.mails) == 1


async def test_cancelled_before_it_goes_and_too_late_after(shop, mailbox):
    first, second = await shop.welcome(), await shop.welcome()
    assert await first.cancel()
    assert not await first.cancel()
    await shop.work()
    assert not await second.cancel()
    assert (await first.status(), await second.status()) == ("cancelled", "sent")
    assert await shop.story(first) == ["queued", "cancelled"]
    assert len(mailbox.mails) == 1


class News(Context):
    text: str


@pytest.fixture
def own_templates(tmp_path):
    folder = tmp_path / "templates" / "news"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("News")
    (folder / "body.html").write_text("<p>{{ text.strip() }}{% if text == 'boom' %}{{ text.nothing }}{% endif %}</p>")
    return folder.parent


@pytest.mark.parametrize("ending", [DROP, "nonsense"])
async def test_no_reply_after_the_dot_resends_a_transactional_mail(open_shop, clock, ending):
    endings = iter([ending])
    async with Hostile(lambda _, step: next(endings, None) if step == "DOT" else None) as server:
        shop = open_shop(server.url)
        handle = await shop.welcome()
        await shop.work()
        assert await handle.status() == "pending"
        clock.advance(30)
        await shop.work()
        assert await shop.story(handle) == ["queued", "attempt", "unknown", "resend", "attempt", "sent"]
        assert [mail.count(b"Message-ID: <" + handle.id.encode()) for mail in server.heard] == [1, 1]


async def test_no_reply_after_the_dot_holds_a_subscribed_mail(open_shop, clock, own_templates):
    async with Hostile(lambda _, step: DROP if step == "DOT" else None) as server:
        shop = open_shop(server.url, templates=own_templates)
        shop.mailer.register(MessageType("news", News, kind="subscribed"))
        handle = await shop.mailer.send("news", to="ana@example.com", context={"text": "hi"})
        await shop.work()
        clock.advance(3600)
        await shop.relay()
        await shop.work()
        assert await shop.story(handle) == ["queued", "attempt", "unknown", "held"]
        assert await handle.status() == "unknown"
        assert len(server.heard) == 1


async def test_own_types_are_found_and_checked_when_registered(shop, open_shop, own_templates):
    with pytest.raises(ConfigurationError, match="template 'news': expected a folder"):
        shop.mailer.register(MessageType("news", News, kind="subscribed"))
    with pytest.raises(ConfigurationError, match="message type 'welcome': there is one"):
        shop.mailer.register(MessageType("welcome", News, kind="subscribed"))


async def test_a_template_that_fails_is_told_by_place_and_tried_again(open_shop, mailbox, own_templates):
    shop = open_shop(mailbox.url, templates=own_templates)
    shop.mailer.register(MessageType("news", News, kind="subscribed"))
    handle = await shop.mailer.send("news", to="ana@example.com", context={"text": "boom"})
    await shop.work()
    row = await shop.mailer.find(handle.id)
    assert (row.status, row.attempts) == ("pending", 1)
    assert row.error.endswith("news/body.html, line 1: 'str object' has no attribute 'nothing'")
    assert "boom" not in row.error


async def test_secrets_and_addresses_stay_in_the_log(open_shop, clock, tmp_path, caplog):
    """They are planted, and then looked for in job data, reasons, logs and errors."""
    caplog.set_level(logging.DEBUG)
    to = "planted.person@example.com"
    answers = iter([f"451 <{to}> busy", f"550 5.1.1 <{to}> unknown PLANTED-TOKEN"])
    async with Hostile(lambda _, step: next(answers, None) if step == "RCPT" else None) as server:
        shop = open_shop(server.url)
        handle = await shop.mailer.send("password-reset", to=to, context=RESET)
        await shop.work()
        clock.advance(30)
        await shop.work()
    assert await handle.status() == "failed"
    row = await shop.mailer.find(handle.id)
    assert to in row.error
    assert "PLANTED" not in repr(row)
    assert (await shop.job(handle)).record.reason == "PermanentFailure 550 5.1.1"
    with sqlite3.connect(tmp_path / "jobs.db") as jobs:
        told = "\n".join([*jobs.iterdump(), caplog.text])
    assert handle.id in told
    assert "PLANTED" not in told
    assert "planted.person" not in told


async def test_the_log_lies_beside_the_store(make_app, clock, tmp_path):
    mailer = Mailer(make_app(clock), "memory://", from_address="a@shop.example")
    await mailer.send("welcome", to="ana@example.com", context=WELCOME)
    assert (tmp_path / "jobs-mail.db").exists()


async def test_the_log_reads_well(shop, tmp_path):
    await shop.welcome()
    await shop.work()
    shop.clock.advance(1)
    await shop.welcome("nobody@example.com")
    with sqlite3.connect(tmp_path / "mail.db") as log:
        rows = log.execute("SELECT * FROM email_logs ORDER BY created_at DESC LIMIT 10")
        names = [column[0] for column in rows.description]
        first = rows.fetchall()[-1]
    assert names[:9] == ["id", "type", "recipient", "subject", "status", "attempts", "error", "created_at", "sent_at"]
    assert first[1:7] == ("welcome", "ana@example.com", "Welcome to Shop, Ana", "sent", 1, None)
    assert first[7] == "2027-01-15 08:00:00.000"


async def test_the_store_may_be_down_and_the_mail_is_accepted(shop, mailbox, clock, tmp_path):
    await shop.app.open()
    stranger = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
    stranger.execute("BEGIN EXCLUSIVE")
    handle = await shop.welcome()
    stranger.execute("ROLLBACK")
    stranger.close()
    clock.advance(5)
    await shop.relay()
    await shop.work()
    assert await handle.status() == "sent"
    assert len(mailbox.mails) == 1


async def test_a_log_that_is_down_is_an_error_within_a_second(shop, tmp_path):
    await shop.welcome()
    stranger = sqlite3.connect(tmp_path / "mail.db", isolation_level=None)
    stranger.execute("BEGIN EXCLUSIVE")
    started = asyncio.get_running_loop().time()
    with pytest.raises(StoreUnavailable, match=r"could not be written within 0\.9 s: database is locked"):
        await shop.welcome()
    assert asyncio.get_running_loop().time() - started < 1.5
    stranger.execute("ROLLBACK")
    stranger.close()
    assert len((await shop.mailer.log()).mails) == 1
    assert (await shop.queue.counts())["prioritized"] == 1


def test_blocking_callers_and_passing_loops_share_one_log(open_shop):
    shop = open_shop("memory://")
    handles = [shop.mailer.send_sync("welcome", to="ana@example.com", context=WELCOME)]
    handles += [asyncio.run(shop.welcome()) for _ in range(3)]
    assert shop.app.run(shop.mailer.counts()) == {"pending": 4}
    assert [asyncio.run(handle.status()) for handle in handles] == ["pending"] * 4
    asyncio.run(shop.work())
    assert shop.app.run(shop.mailer.counts()) == {"sent": 4}
    shop.app.run(shop.app.close())


async def test_blocking_form_on_a_loop_is_refused(shop):
    with pytest.raises(LoopRunning):
        shop.mailer.send_sync("welcome", to="ana@example.com", context=WELCOME)


async def test_many_at_once_share_commits_and_all_arrive_once(shop, mailbox):
    handles = await asyncio.gather(*(shop.welcome(f"ana+{number}@example.com") for number in range(200)))
    await shop.work()
    assert await shop.mailer.counts() == {"sent": 200}
    assert sorted(mail.recipients[0] for mail in mailbox.mails) == sorted(f"ana+{n}@example.com" for n in range(200))
    assert len({handle.id for handle in handles}) == 200


async def test_a_worker_tells_at_its_start_when_mails_are_tried_again(make_app):
    app = make_app()
    Mailer(app, "memory://", from_address="a@shop.example")
    lines = "\n".join(banner(app, {"email-queue": 5, "email-queue-bulk": 5}))
    retries = "attempts=16, exponential 1 min up to 4 h, jitter 20%: runs at 0, +1 min, +3 min, +7 min, +15 min, "
    assert lines.count(f"{retries}+31 min, …, +1 d 8 h; no timeout") == 2


class Witness(SystemClock):
    """A clock that knows the threads on which it was read."""

    def __init__(self):
        self.threads = set()

    def now(self):
        self.threads.add(threading.current_thread().name)
        return super().now()


async def test_within_a_lifespan_the_log_is_on_its_loop_until_it_ends(make_app, tmp_path):
    clock = Witness()
    app = make_app(clock)
    mailer = Mailer(app, "console://", from_address="Shop <shop@example.com>", log_url=f"sqlite:///{tmp_path}/mail.db")
    async with app.lifespan()(None):
        await mailer.send("welcome", to="ana@example.com", context=WELCOME)
        assert "toril-loop" not in clock.threads
    assert not (tmp_path / "mail.db-wal").exists()  # nobody has the file open
    await mailer.send("welcome", to="ana@example.com", context=WELCOME)
    assert "toril-loop" in clock.threads
