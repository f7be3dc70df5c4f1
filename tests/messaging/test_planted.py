"""Secrets and people are planted, and then looked for wherever something is written or shown."""

import asyncio
import logging
import re
import sqlite3
import traceback

import pytest
from hostile import DROP, Hostile
from pydantic import ValidationError

from toril import Secret
from toril.cli import main as cli
from toril.errors import ConfigurationError, InvalidContext, InvalidMessage, KeyConflict, UnknownTemplate
from toril.messaging import Context, MessageType
from toril.messaging.catalogue import PasswordReset

TO, COPY = "planted.person@example.com", "planted.copy@example.com"
TOKEN = "PLANTED-TOKEN"
LINK = f"https://shop.example/reset?t={TOKEN}"
RESET = {"name": "Planted Name", "link": LINK}


class Boom(Context):
    code: Secret[str]


async def errors(shop):
    """Return the texts and tracebacks of what is refused."""
    calls = [
        (InvalidContext, {"context": {**RESET, "link": f"/reset?t={TOKEN}"}}),
        (InvalidContext, {"context": {**RESET, "tokn": LINK}}),
        (InvalidMessage, {"context": RESET, "subject": f"Your link: {LINK}"}),
        (KeyConflict, {"context": {**RESET, "link": f"{LINK}2"}, "key": "k"}),
    ]
    told = []
    for kind, call in calls:
        with pytest.raises(kind) as caught:
            await shop.mailer.send("password-reset", to=TO, **call)
        told += traceback.format_exception(caught.value)
    for wrong in ({**RESET, "link": f"/reset?t={TOKEN}"}, {"link": LINK}, {**RESET, "token": TOKEN}):
        with pytest.raises(ValidationError) as refused:
            PasswordReset(**wrong)
        told += traceback.format_exception(refused.value)
    with pytest.raises(UnknownTemplate, match="expected its name, got PasswordReset; a typed context") as caught:
        await shop.mailer.send_many(PasswordReset(**RESET), [TO])
    told += traceback.format_exception(caught.value)
    return "\n".join(re.sub(r"(?m)^ .*$", "", text) for text in told)  # without the lines of this test


def written(path):
    """Return all that is in the file of a database."""
    return b"".join(part.read_bytes() for part in (path, path.with_name(f"{path.name}-wal"))).decode("latin-1")


async def live(open_shop, clock, tmp_path):
    """Send mails that end in every way, with a secret and people in each."""
    folder = tmp_path / "templates" / "boom"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("Boom")
    (folder / "body.html").write_text("<p>{{ code[99].nothing }}</p>")
    replies = iter([f"451 <{TO}> busy", f"550 5.7.1 <{TO}> no", None, None, f"550 5.1.1 <{COPY}> unknown"])
    endings = iter([DROP])
    async with Hostile(lambda _, step: next(replies, None) if step == "RCPT" else next(endings, None) if step == "DOT" else None) as server:  # fmt: skip
        shop = open_shop(server.url, templates=folder.parent)
        shop.mailer.register(MessageType("boom", Boom, kind="transactional"))
        first = await shop.mailer.send("password-reset", to=f"Planted Name <{TO}>", context=RESET, key="k", cc=COPY)
        await shop.mailer.send("boom", to=TO, context={"code": TOKEN})
        for _ in range(4):
            await shop.work()
            clock.advance(30)
        told = await errors(shop)
    return shop, first, told


async def test_they_stand_nowhere_but_in_the_mail_and_its_row(open_shop, clock, tmp_path, caplog, traces):
    caplog.set_level(logging.DEBUG)
    with traces.request():
        shop, first, told = await live(open_shop, clock, tmp_path)
    assert {span.attributes.get("error.type") for span in traces.all()} > {"451", "550 5.7.1"}
    told += traces.text()
    rows = (await shop.mailer.log()).mails
    assert len({row.status for row in rows}) > 1
    told += "".join(repr(row) for row in rows) + caplog.text + "".join(str(vars(record)) for record in caplog.records)
    page = [job for state in ("failed", "delayed") for job in (await shop.queue.jobs(state)).jobs]
    assert page, "no job has failed"
    assert not any("Traceback" in (job.record.stack or "") for job in page)
    told += "".join(f"{job.record}" for job in page)
    jobs, log = (written(tmp_path / f"{name}.db") for name in ("jobs", "mail"))
    assert first.id in told
    assert first.id in jobs
    assert TO in log
    for planted in (TOKEN, TO, COPY, "Planted Name"):
        assert planted not in told, planted
        assert planted not in jobs, planted
    assert TOKEN not in log
    with sqlite3.connect(tmp_path / "mail.db") as connection:
        timeline = connection.execute("SELECT detail FROM email_events").fetchall()
    assert not any(TOKEN in detail for (detail,) in timeline)


async def test_the_mail_has_them(shop, mailbox):
    await shop.mailer.send(PasswordReset(name="Ana", link=LINK), to="ana@example.com")
    await shop.work()
    assert LINK in mailbox.mails[0].message.get_body(("plain",)).get_content()


async def test_a_mail_is_read_with_a_key_that_was_changed(open_shop, mailbox, place):
    old, new = "an old key of 32 characters or more", "a new key of 32 characters or more"
    before = open_shop(mailbox.url, log_url=place, settings={"secret_keys": old})
    handle = await before.mailer.send("password-reset", to="ana@example.com", context=RESET)
    await open_shop(mailbox.url, log_url=place, settings={"secret_keys": f"{new},{old}"}).work()
    assert await handle.status() == "sent"
    lost = await before.mailer.send("password-reset", to="ana@example.com", context=RESET)
    await open_shop(mailbox.url, log_url=place, settings={"secret_keys": new}).work()
    row = await lost.row()
    assert row.status == "pending"
    assert row.error.startswith("ValidationError at ")
    assert TOKEN not in row.error


async def test_without_a_key_a_secret_is_refused(open_shop):
    shop = open_shop("memory://", settings={"secret_keys": ""})
    with pytest.raises(ConfigurationError, match=r"set TORIL_SECRET_KEYS"):
        await shop.mailer.send("password-reset", to="ana@example.com", context=RESET)
    assert (await shop.mailer.log()).mails == []
    await shop.welcome()


CODE = """
from toril import Toril
from toril.messaging import Mailer
from toril.settings import Settings
app = Toril("sqlite:///jobs.db", settings=Settings(env={}, dotenv=None))
mailer = Mailer(app, "memory://", from_address="a@shop.example", log_url="sqlite:///mail.db")
"""


async def test_the_command_line_shows_none(open_shop, clock, tmp_path, monkeypatch, capsys):
    _, first, _ = await live(open_shop, clock, tmp_path)
    (tmp_path / "planted_shop.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    for command in (
        ["list"],
        ["list", "--json"],
        ["show", first.id],
        ["show", first.id, "--json"],
        ["stats"],
        ["suppressions"],
    ):
        monkeypatch.setattr("sys.argv", ["toril", "mail", command[0], "planted_shop:mailer", *command[1:]])

        def run():
            try:
                cli.main()
            except SystemExit as ended:
                assert ended.code in {None, 0, 1}  # noqa: PT017  (1: nobody is suppressed)

        await asyncio.to_thread(run)
    shown = capsys.readouterr().out
    assert first.id in shown
    assert f"\n  > RCPT TO:<{TO}>\n  < 451 <{TO}> busy\n" in shown
    assert TOKEN not in shown
