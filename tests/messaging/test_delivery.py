"""The delivery log: its schema, its durability, and who may write what."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from toril.errors import StoreRefused, StoreUnavailable
from toril.messaging import lookup
from toril.messaging.database import default_url, log_url, open_engine
from toril.messaging.delivery import Attempt, DeliveryLog
from toril.messaging.inserting import NewMail
from toril.messaging.migrations import HEAD, VERSION_TABLE
from toril.messaging.models import Base, EmailLog, Status


@pytest.fixture
async def open_log(place, clock):
    logs = []

    async def make():
        logs.append(DeliveryLog(log_url(place), clock))
        await logs[-1].open()
        return logs[-1]

    yield make
    for log in logs:
        await log.close()


@pytest.fixture
async def log(open_log):
    return await open_log()


def new(mail_id="m1", clock=None, **changes):
    return NewMail(mail(mail_id, clock, **changes))


def mail(mail_id="m1", clock=None, **changes):
    now = clock.now() if clock else 0
    values = {
        "recipient": "ana@example.com",
        "subject": "hi",
        "status": Status.PENDING,
        "look_at": now,
        "context": "{}",
    }
    return EmailLog(
        **{
            "id": mail_id,
            "type": "welcome",
            "created_at": now,
            "send_at": now,
            "message_id": "x@y",
            **values,
            **changes,
        }
    )


async def story(log, mail_id="m1"):
    return [(event.event, event.attempt) for event in await lookup.timeline(log, mail_id)]


@pytest.mark.filterwarnings("ignore:.*expression-based index")
async def test_the_schema_is_that_of_the_models(place):
    engine = await open_engine(log_url(place))
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"version_table": VERSION_TABLE}), Base.metadata
            )
        )
    await engine.dispose()
    assert differences == []


def test_head_is_the_last_step():
    config = Config()
    config.set_main_option("script_location", "toril.messaging:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


async def test_a_newer_schema_is_left_alone(place):
    engine = await open_engine(log_url(place))
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE toril_mail_version SET version_num = '9999'"))
    await engine.dispose()
    with pytest.raises(StoreRefused, match=rf"written by a newer Toril \(schema 9999, this one knows {HEAD}\)"):
        await open_engine(log_url(place))


async def test_it_is_durable(place):
    asked = {"sqlite": ("PRAGMA journal_mode", "PRAGMA synchronous"), "postgresql": ("SHOW synchronous_commit",)}
    engine = await open_engine(log_url(place))
    async with engine.connect() as connection:
        queries = asked[engine.dialect.name]
        answers = [(await connection.execute(text(query))).scalar() for query in queries]
    await engine.dispose()
    assert answers == (["wal", 2] if len(answers) == 2 else ["on"])


async def test_a_place_that_cannot_be_is_one_error(tmp_path):
    with pytest.raises(StoreRefused, match=r"nowhere/mail\.db: expected an existing folder, .*nowhere is none"):
        await open_engine(log_url(f"sqlite:///{tmp_path}/nowhere/mail.db"))


async def test_a_file_that_is_no_database_is_one_error(tmp_path):
    (tmp_path / "mail.db").write_text("dear diary, " * 1_000)
    with pytest.raises(StoreUnavailable, match=r"^delivery log sqlite\+aiosqlite:.*mail\.db: file is not a database"):
        await open_engine(log_url(f"sqlite:///{tmp_path}/mail.db"))


@pytest.mark.parametrize(
    ("store", "log"),
    [
        ("sqlite:///jobs.db", "sqlite:///jobs-mail.db"),
        ("sqlite:////var/lib/my.app/jobs", "sqlite:////var/lib/my.app/jobs-mail.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("redis://localhost:6379", "sqlite:///toril-mail.db"),
    ],
)
def test_it_lies_beside_the_store(store, log):
    assert default_url(store) == log


async def test_in_memory_it_works_as_well(clock):
    log = DeliveryLog(log_url("sqlite:///:memory:"), clock)
    await asyncio.gather(*(log.add(new(f"m{number}")) for number in range(20)))
    assert await log.begin(Attempt("m7", 1), 120)
    assert await lookup.counts(log, None) == {"pending": 19, "sending": 1}
    await log.close()


@pytest.mark.parametrize("processes", [1, 2])
async def test_of_two_that_begin_one_may(open_log, processes):
    logs = [await open_log() for _ in range(processes)]
    await logs[0].add(new())
    answers = await asyncio.gather(*(log.begin(Attempt("m1", 1), 120) for log in (logs[0], logs[-1])))
    assert sorted(answers) == [False, True]
    assert await story(logs[0]) == [("queued", 0), ("attempt", 1)]


async def test_an_attempt_that_is_over_changes_nothing(log, clock):
    await log.add(new())
    stale, current = Attempt("m1", 1), Attempt("m1", 2)
    await log.begin(stale, 120)
    await log.unknown(Attempt("m1", 1, begun=True), "lost", 0)
    await log.begin(current, 120)
    assert not await log.failed(stale, "late no")
    assert not await log.deferred(stale, "late no", 5)
    await log.sent(stale, "250 late")
    row = await log.find("m1")
    assert (row.status, row.attempts) == ("sending", 2)
    assert (await story(log))[-1] == ("late reply", 1)
    await log.sent(current, "250")
    assert (await log.find("m1")).status == "sent"


async def test_marks_of_one_row_in_one_commit_keep_their_order(log):
    await log.add(new())
    attempt = Attempt("m1", 1)
    answers = await asyncio.gather(log.begin(attempt, 120), log.cancel("m1"), log.begin(Attempt("m1", 1), 120))
    assert answers == [True, False, False]


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_marks_find_their_rows_by_key_however_many_wait(log, place):
    said = []
    await log.add(new())
    event.listen(log._transactions._hasty, "before_cursor_execute", lambda *call: said.append(call[2:4]))
    await log.begin(Attempt("m1", 1), 120)
    await log.cancel("m1")
    updates = [(sql, values) for sql, values in said if sql.startswith("UPDATE")]
    assert len(updates) == 2
    with closing(sqlite3.connect(log_url(place).database)) as link:
        for sql, values in updates:
            plan = [step[-1] for step in link.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
            assert "SEARCH email_logs USING INDEX sqlite_autoindex_email_logs_1 (id=?)" in plan


async def test_a_change_that_cannot_be_written_fails_alone(log):
    await asyncio.gather(log.add(new("m1")), log.add(new("m2")))
    outcomes = await asyncio.gather(
        log.begin(Attempt("m1", 1), 120),
        log.add(new("m1")),  # there is one of that id
        log.begin(Attempt("m2", 1), 120),
        return_exceptions=True,
    )
    assert (outcomes[0], type(outcomes[1]), outcomes[2]) == (True, IntegrityError, True)
    assert "ana@" not in str(outcomes[1])


async def test_a_late_reply_makes_unknown_known(log):
    await log.add(new())
    attempt = Attempt("m1", 1)
    await log.begin(attempt, 120)
    await log.unknown(attempt, "lost", None)
    assert (await log.find("m1")).status == "unknown"
    await log.sent(attempt, "250 at last")
    assert (await log.find("m1")).status == "sent"
    assert await story(log) == [("queued", 0), ("attempt", 1), ("unknown", 1), ("held", 1), ("sent", 1)]


async def test_a_late_reply_to_an_earlier_attempt_makes_unknown_known(log):
    await log.add(new())
    first, second = Attempt("m1", 1), Attempt("m1", 2)
    for attempt, again in ((first, 0.0), (second, None)):
        await log.begin(attempt, 120)
        await log.unknown(attempt, "lost", again)
    await log.sent(first, "250 at last")
    assert (await log.find("m1")).status == "sent"
    last = (await lookup.timeline(log, "m1"))[-1]
    assert (last.event, last.attempt, last.detail) == ("sent", 1, "late: 250 at last")


async def test_what_is_due_is_claimed_once_and_ever_more_seldom(open_log, clock):
    logs = [await open_log(), await open_log()]
    await logs[0].add(new(clock=clock))
    pauses = []
    for _ in range(12):
        claimed = await asyncio.gather(*(log.claim_due(10) for log in logs))
        assert sorted(map(len, claimed)) == [0, 1]
        row = await logs[0].find("m1")
        pauses.append((row.look_at - clock.now()) // 1000)
        clock.advance(pauses[-1])
    assert pauses == [5, 5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600]


async def test_final_rows_are_not_looked_at(log, clock):
    for number, end in enumerate((log.failed, log.cancel)):
        await log.add(new(f"m{number}", clock))
        await (end(f"m{number}") if end == log.cancel else end(Attempt(f"m{number}", 1), "550"))
    clock.advance(10_000)
    assert await log.claim_due(10) == ()


PROGRAM = """
import asyncio, sys, time
from toril import Toril
from toril.messaging import Mailer
app = Toril(f"sqlite:///{sys.argv[1]}/jobs.db")
mailer = Mailer(app, "memory://", from_address="a@shop.example", log_url=f"sqlite:///{sys.argv[1]}/mail.db")
async def main():
    context = {"name": "Ana", "link": "https://shop.example"}
    await asyncio.sleep(max(0.0, float(sys.argv[2]) - time.time()))
    await asyncio.gather(*(mailer.send("welcome", to="ana@example.com", context=context) for _ in range(25)))
    await app.close()
asyncio.run(main())
"""


@pytest.mark.slow
def test_eight_processes_open_a_new_log_and_write_at_once(tmp_path, clock):
    start = str(time.time() + 3)  # when all have imported what they need
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(tmp_path), start]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(8)]
    assert [(process.communicate(timeout=60)[1], process.returncode) for process in processes] == [("", 0)] * 8
    log = DeliveryLog(log_url(f"sqlite:///{tmp_path}/mail.db"), clock)

    async def count():
        counts = await lookup.counts(log, None)
        await log.close()
        return counts

    assert asyncio.run(count()) == {"pending": 200}
