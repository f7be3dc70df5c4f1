"""A message in the caller's own transaction: sent if that is committed, gone if it is not, whoever dies in between."""

import asyncio
import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa
from shops import WELCOME
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from toril.errors import ConfigurationError, KeyConflict
from toril.messaging import metadata
from toril.messaging.database import log_url, open_engine

ORDERS = sa.Table("orders", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))


@pytest.fixture
async def own(place, shop_at):
    """The caller's own engine on the database that has the log."""
    await shop_at.mailer.open()
    engine = create_async_engine(log_url(place))
    async with engine.begin() as connection:
        await connection.run_sync(ORDERS.metadata.create_all)
    yield engine
    await engine.dispose()


async def orders(engine):
    async with engine.connect() as connection:
        return (await connection.execute(sa.select(sa.func.count()).select_from(ORDERS))).scalar()


async def send_in(shop, session, **options):
    return await shop.mailer.send("welcome", to="ana@example.com", context=WELCOME, session=session, **options)


async def offered(shop):
    """Wait for what a commit has started."""
    await asyncio.gather(*shop.mailer._acceptance._offers)


async def test_committed_together(shop_at, own, mailbox):
    async with AsyncSession(own) as session:
        await session.execute(sa.insert(ORDERS))
        handle = await send_in(shop_at, session)
        await shop_at.work()
        assert mailbox.mails == []
        assert await shop_at.job(handle) is None
        await session.commit()
    await offered(shop_at)
    assert await shop_at.job(handle) is not None
    await shop_at.work()
    assert await handle.status() == "sent"
    assert len(mailbox.mails) == await orders(own) == 1


async def test_rolled_back_together(shop_at, own, mailbox):
    async with AsyncSession(own) as session:
        await session.execute(sa.insert(ORDERS))
        handle = await send_in(shop_at, session)
        await session.rollback()
        await session.execute(sa.insert(ORDERS))
        await session.commit()  # another transaction: nothing of the first one may come with it
    await offered(shop_at)
    await shop_at.work()
    assert await shop_at.mailer.find(handle.id) is None
    assert await shop_at.job(handle) is None
    assert mailbox.mails == []
    assert await orders(own) == 1


async def test_rolled_back_to_a_savepoint(shop_at, own, mailbox):
    async with AsyncSession(own) as session:
        kept = await send_in(shop_at, session)
        nested = await session.begin_nested()
        gone = await send_in(shop_at, session)
        await nested.rollback()
        async with session.begin_nested():
            also_kept = await send_in(shop_at, session)
        assert await shop_at.job(also_kept) is None
        await session.commit()
    await offered(shop_at)
    assert [await shop_at.job(handle) is not None for handle in (kept, gone, also_kept)] == [True, False, True]


async def test_the_caller_dies_after_its_commit(shop_at, own, mailbox, clock):
    async with AsyncSession(own) as session:
        handle = await send_in(shop_at, session)
        for name in ("after_commit", "after_transaction_end"):
            getattr(session.sync_session.dispatch, name).clear()
        await session.commit()
    assert await shop_at.job(handle) is None
    clock.advance(5)
    await shop_at.relay()
    await shop_at.work()
    assert await handle.status() == "sent"
    assert len(mailbox.mails) == 1


DIES = """
import asyncio, os, sys
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from toril import Toril
from toril.messaging import Mailer
from toril.settings import Settings
folder, when = sys.argv[1:]
app = Toril(f"sqlite:///{folder}/jobs.db", settings=Settings(env={}, dotenv=None))
mailer = Mailer(app, "memory://", from_address="a@shop.example", log_url=f"sqlite:///{folder}/mail.db")
async def main():
    engine = create_async_engine(f"sqlite+aiosqlite:///{folder}/mail.db")
    async with AsyncSession(engine) as session:
        context = {"name": "Ana", "link": "https://shop.example"}
        handle = await mailer.send("welcome", to="ana@example.com", context=context, session=session)
        print(handle.id, flush=True)
        if when == "before":
            os._exit(9)
        # SIGKILL's kin: nothing of Python runs after the commit
        sa.event.listen(session.sync_session, "after_commit", lambda _: os._exit(9), insert=True)
        await session.commit()
asyncio.run(main())
"""


@pytest.mark.parametrize(("when", "arrives"), [("before", 0), ("after", 1)])
async def test_the_process_dies_around_its_commit(shop, mailbox, tmp_path, when, arrives):
    command = [sys.executable, "-c", DIES, str(tmp_path), when]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 9, done.stderr
    shop.clock.advance(10 * 365 * 86_400)  # that process has the machine's clock
    await shop.relay()
    await shop.work()
    assert len(mailbox.mails) == arrives


def test_blocking_sessions(open_shop, place, tmp_path):
    shop = open_shop("memory://", log_url=place)
    engine = sa.create_engine(place.replace("postgresql://", "postgresql+psycopg://"))
    shop.app.run(shop.mailer.open())
    with Session(engine) as session:
        kept = shop.mailer.send_sync("welcome", to="ana@example.com", context=WELCOME, session=session, key="k")
        again = shop.mailer.send_sync("welcome", to="ana@example.com", context=WELCOME, session=session, key="k")
        session.commit()
        gone = shop.mailer.send_sync("welcome", to="ana@example.com", context=WELCOME, session=session)
        session.rollback()
    engine.dispose()
    assert kept == again
    assert shop.app.run(shop.queue.get(kept.id)) is not None
    assert shop.app.run(shop.mailer.find(gone.id)) is None
    shop.app.run(shop.app.close())


async def test_keys_hold_across_transactions(shop_at, own):
    async with AsyncSession(own) as session:
        handle = await send_in(shop_at, session, key="k")
        assert (await send_in(shop_at, session, key="k")).id == handle.id
        with pytest.raises(KeyConflict):
            await send_in(shop_at, session, key="k", subject="Another")
        await session.commit()
    assert (await shop_at.welcome(key="k")).id == handle.id


async def test_a_session_on_another_database_is_refused(shop_at, tmp_path):
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")
    async with AsyncSession(engine) as session:
        with pytest.raises(ConfigurationError, match=r"^session: it writes to sqlite.*shop\.db, the delivery log is "):
            await send_in(shop_at, session)
    await engine.dispose()


async def test_tables_that_the_application_makes_are_left_to_it(place):
    engine = create_async_engine(log_url(place))
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()
    engine = await open_engine(log_url(place))
    async with engine.connect() as connection:
        assert "toril_mail_version" not in await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
    await engine.dispose()


async def test_tables_that_lack_something_are_refused(tmp_path):
    from toril.errors import StoreRefused

    with sqlite3.connect(tmp_path / "mail.db") as connection:
        connection.execute("CREATE TABLE email_logs (id TEXT)")
    with pytest.raises(
        StoreRefused, match=r"^delivery log: the application made its tables, and email_files is missing$"
    ):
        await open_engine(log_url(f"sqlite:///{tmp_path / 'mail.db'}"))
