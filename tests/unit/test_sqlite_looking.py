"""How SQLite looks: by indexes alone, and no further than a budget reaches."""

from __future__ import annotations

import re
import sqlite3

import pytest

from toril import Toril
from toril.store.sqlite import control, searching
from toril.store.sqlite.queries import SCHEMA, SQL

GROWING = ("job", "log", "event", "metric")  # tables that grow with the work; the others have a row a queue or worker
LOOKED_AT = {
    name: statement
    for name, statement in {**vars(control), **vars(searching)}.items()
    if name.isupper() and isinstance(statement, str) and statement.startswith("SELECT")
}
STATEMENTS = {**SQL, **LOOKED_AT}
del STATEMENTS["job_columns"], STATEMENTS["JOB_COLUMNS"]


@pytest.fixture(scope="module")
def schema() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA)
    return connection


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_a_growing_table_from_end_to_end(schema: sqlite3.Connection, name: str) -> None:
    statement = STATEMENTS[name]
    values: object = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
    values = values or [1] * statement.count("?")
    plan = [row[3] for row in schema.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    for line in plan:
        if line.startswith("SCAN"):
            assert line.split()[1] not in GROWING, f"{name}: {line}"
        assert not (line.startswith("USE TEMP B-TREE") and name not in SORTS_FEW), f"{name}: {line}"


SORTS_FEW = {"stalled_jobs", "running_jobs"}  # what workers hold now


@pytest.mark.parametrize(("text", "budget"), [("data.n:7", 2_000), ("name:x7", 3_000)])
async def test_a_page_looks_at_so_much_and_says_so(app: Toril, monkeypatch, text: str, budget: int) -> None:
    line = app.queue("line")
    monkeypatch.setattr(searching, "BUDGET", 2_000)
    monkeypatch.setattr(searching, "SECONDS", 60.0 if "data" in text else 0.0)
    monkeypatch.setattr(searching, "NAME_PAGE", 3_000)
    await line.add_many([(f"x{number}", {"n": number}) for number in range(5_000)])
    page = await line.search(text)
    assert (page.jobs, page.looked, page.total) == ([], budget, 5_000)
    while page.after is not None and not page.jobs:
        page = await line.search(text, after=page.after)
    if page.after is not None:  # the last page was not yet known to be the last
        assert (await line.search(text, after=page.after)).jobs == []
    assert ([job.name for job in page.jobs], page.looked) == (["x7"], 5_000)
