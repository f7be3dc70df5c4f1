"""A backup while workers run, work after it, a restore: nothing goes out by itself, and an operator lets it go."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from yards import WELCOME, Yard

from processes import until

APP = ("--app", "recovery_shop:app")


@pytest.mark.slow
async def test_nothing_goes_out_after_a_restore_until_somebody_lets_it(yard: Yard) -> None:
    app, mailer = yard.app()
    backup = yard.folder / "monday.zip"
    async with app:
        jobs = await app.queue("work").add_many([("ship", {"order": number}) for number in range(6)])
        mails = [await mailer.send("welcome", to=f"{name}@example.com", context=WELCOME) for name in ("ana", "bo")]
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        later = await mailer.send("welcome", to="cy@example.com", context=WELCOME, at=tomorrow)
        worker = yard.worker("work")
        await until(lambda: len(yard.ledger.entries("start")) == 2)

        taken = json.loads(yard.ok("backup", backup, *APP, "--json"))

        assert [(part["part"], part["holds"]) for part in taken] == [
            ("jobs", {"email-queue": {"prioritized": 2}, "work": {"waiting": 4, "active": 2}}),
            ("log", {"pending": 3}),
        ]
        yard.open_gate()  # and all that was waiting is done
        sender = yard.worker("email-queue")
        await until(lambda: len(yard.ledger.entries("end")) == len(jobs))
        await until(lambda: len(yard.outbox) == len(mails))
    code, _, err = yard.toril("restore", backup, *APP, "--force")
    assert (code, "is in use: stop workers" in err) == (1, True)
    for process in (worker, sender):
        process.signal(signal.SIGTERM)
        assert await process.ended() == 0
    code, _, err = yard.toril("restore", backup, *APP)
    assert (code, "is there already" in err) == (1, True)
    ran, sent = yard.ledger.entries(), yard.outbox

    code, _, err = yard.toril("restore", backup, *APP, "--force")

    assert code == 0, err
    assert "3 queues paused, 3 mails held: nothing goes out by itself" in err
    worker = yard.worker("work", "email-queue")
    await until(lambda: worker.output.count("job.rescued") == 2)  # it has looked at all there is
    assert (yard.ledger.entries(), yard.outbox) == (ran, sent)
    held = {mail["id"]: mail["error"] for mail in yard.held()}
    assert held == dict.fromkeys(
        [*(mail.id for mail in mails), later.id], f"restored from a backup of {taken[0]['taken_at']}"
    )

    assert "1 message released" in yard.ok("mail", "release", "recovery_shop:mailer", "--to", "bo@example.com")
    assert "email-queue, email-queue-bulk, work" in yard.ok("release", *APP)
    await until(lambda: len(yard.ledger.entries("end")) == 2 * len(jobs))
    await until(lambda: yard.outbox != sent)
    changed = [name for name, at in yard.outbox.items() if at != sent.get(name)]
    assert [name for name in changed if "bo@example.com" not in name] == []
    assert "2 messages released" in yard.ok("mail", "release", "recovery_shop:mailer")
    await until(lambda: all(at != sent.get(name) for name, at in yard.outbox.items()))
    assert len(yard.outbox) == 2  # the one for tomorrow waits for its time
    assert "no message matches" in yard.toril("mail", "list", "recovery_shop:mailer", "--status", "unknown")[2]


@pytest.mark.slow
async def test_a_copy_is_sound_whatever_is_written_meanwhile(yard: Yard, tmp_path: Path) -> None:
    app, _ = yard.app()
    yard.open_gate()
    async with app:
        await app.queue("work").add_many([("ship", {"order": 0})] * 500)
        worker = yard.worker("work")
        for number in range(3):
            await until(lambda seen=number: len(yard.ledger.entries("end")) > 50 * seen)
            yard.ok("backup", tmp_path / f"{number}.zip", *APP)
            (tmp_path / str(number)).mkdir()
            yard.ok("restore", tmp_path / f"{number}.zip", "--into", tmp_path / str(number), *APP)
            with closing(sqlite3.connect(tmp_path / str(number) / "jobs.db")) as link:
                assert link.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                told = link.execute("SELECT waiting, active, completed FROM queue WHERE name = 'work'").fetchone()
                found = dict(link.execute("SELECT state, count(*) FROM job GROUP BY state").fetchall())
            assert told == (found.get(0, 0), found.get(4, 0), found.get(5, 0))
            assert sum(told) == 500
        worker.kill()


async def filled(yard: Yard) -> None:
    """Jobs and a mail that wait."""
    app, mailer = yard.app()
    async with app:
        await app.queue("work").add_many([("ship", {"order": number}) for number in range(3)])
        await mailer.send("welcome", to="ana@example.com", context=WELCOME)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["backup", "restore"])
async def test_whatever_a_kill_leaves_is_whole_and_lets_nothing_out(yard: Yard, command: str) -> None:
    await filled(yard)
    file = yard.folder / "b.zip"
    if command == "restore":
        yard.ok("backup", file, *APP)
    code, out, err = yard.run(sys.executable, "killed.py", command, file)
    assert code == 0, err
    assert int(out.split()[-1]) > 3
