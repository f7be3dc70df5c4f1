"""`toril schedules`: what it prints, and what it removes."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from toril import Toril, Worker
from toril.cli import main
from toril.settings import Settings

CODE = """
from toril import Toril
app = Toril("{url}")

@app.every(60)
async def sweep() -> None: ...
"""


@pytest.fixture
def place(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the application is: one schedule in code, one that it had before, one that was made at run time."""

    async def before() -> None:
        async with Toril(url, settings=Settings(env={}, dotenv=None)) as app:

            @app.cron("0 9 * * *")
            async def old() -> None: ...

            @app.every(60)
            async def sweep() -> None: ...

            await app.schedule(sweep.call(), id="by-hand", cron="@daily", tz="Asia/Ho_Chi_Minh")
            await Worker(app, burst=True).run()

    asyncio.run(before())
    (tmp_path / "yard.py").write_text(CODE.format(url=url))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "yard", raising=False)
    return "yard:app"


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main.app(["schedules", *arguments], standalone_mode=False)
    return capsys.readouterr().out


def test_schedules_are_listed_and_pruned(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = {row["id"]: row for row in json.loads(call(capsys, "list", "--app", place, "--json"))["schedules"]}
    assert {schedule_id: row["declared"] for schedule_id, row in found.items()} == {
        "by-hand": False,
        "old": True,
        "sweep": True,
    }
    assert (found["sweep"]["every"], found["by-hand"]["tz"]) == (60, "Asia/Ho_Chi_Minh")
    assert (found["sweep"]["last"] < found["sweep"]["next"], found["old"]["last"]) == (True, None)
    table = {line.split()[0]: line for line in call(capsys, "list", "--app", place).splitlines()[1:]}
    assert "@daily (Asia/Ho_Chi_Minh)" in table["by-hand"]
    assert table["by-hand"].endswith("app.schedule")
    assert re.search(r"At 09:00 \(UTC\) +in .* never +not in this code$", table["old"])
    assert re.search(r"Every 1 min +in .* (now|ago) +code$", table["sweep"])
    assert call(capsys, "prune", "--app", place) == "removed old\n"
    assert call(capsys, "prune", "--app", place) == "nothing to remove\n"
    assert "by-hand" in call(capsys, "list", "--app", place)
