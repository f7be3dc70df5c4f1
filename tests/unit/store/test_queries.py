"""The SQL of the SQLite store: read by name, all of it used, none of it reading all jobs."""

from __future__ import annotations

import ast
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from toril.store.sqlite import control, queries, searching
from toril.store.sqlite.queries import SCHEMA, SQL

FOLDER = Path(queries.__file__).parent
TEXT = "".join((FOLDER / name).read_text(encoding="utf-8") for name in ("queries.sql", "controls.sql"))
BLOCKS = re.findall(r"^-- name: (\w+)$", TEXT, re.MULTILINE)
PIECES = {"job_columns", "that_may_match"}  # not run by themselves
BUILT = {  # what is put together from pieces
    name: text
    for module in (control, searching)
    for name, text in vars(module).items()
    if isinstance(text, str) and text.startswith("SELECT")
}
STATEMENTS = {name: text for name, text in {**SQL, **BUILT}.items() if text not in [SQL[piece] for piece in PIECES]}


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        yield connection


def plan(database: sqlite3.Connection, statement: str) -> list[str]:
    """Return what SQLite would do, step by step."""
    named = dict.fromkeys(re.findall(r":(\w+)", statement), "[]")
    parameters = named or ["0"] * statement.count("?")
    return [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]


def test_every_block_is_read_under_its_own_name():
    assert list(SQL) == BLOCKS
    assert len(set(BLOCKS)) == len(BLOCKS)
    assert all(re.match(r"(SELECT|INSERT|UPDATE|DELETE|WITH|WHERE)\b", statement) for statement in SQL.values())
    assert not any(";" in statement or "-- name" in statement for statement in SQL.values())


def test_every_block_is_used():
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.py")]
    words = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert set(SQL) - words == set()


def test_statements_live_in_the_sql_files():
    for path in FOLDER.glob("*.py"):
        texts = [
            node.value
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant)
        ]
        written = [text for text in texts if isinstance(text, str) and re.match(r"(INSERT|UPDATE|DELETE) ", text)]
        assert written == [], path.name


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_or_sorts_all_jobs(database, name):
    steps = plan(database, STATEMENTS[name])
    assert not [step for step in steps if re.match(r"SCAN (job|log|event|metric)\b", step)], steps
    assert not [step for step in steps if "TEMP B-TREE" in step], steps
    assert not [step for step in steps if "AUTOMATIC" in step], steps


def test_the_plan_of_a_careless_statement_would_be_noticed(database):
    assert plan(database, "SELECT id FROM job WHERE name = :name ORDER BY added") == [
        "SCAN job",
        "USE TEMP B-TREE FOR ORDER BY",
    ]
