"""Places where a store must not or cannot be: refused by each way of using it, and left as they were."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from toril import Toril
from toril.errors import StoreRefused
from toril.settings import Settings


def toril(url: str) -> Toril:
    return Toril(url, settings=Settings(env={}, dotenv=None))


async def refusal(path: Path) -> str:
    """Return why a file is refused, by each way of using it."""
    reasons = set()
    for use in ("open", "add"):
        app = toril(f"sqlite:///{path}")
        with pytest.raises(StoreRefused) as refused:
            await (app.open() if use == "open" else app.queue("mails").add("welcome"))
        reasons.add(str(refused.value))
        await app.close()
    (reason,) = reasons
    assert reason.startswith(f"{path.resolve()}: ")
    return reason


async def test_a_missing_folder(tmp_path: Path) -> None:
    reason = await refusal(tmp_path / "missing" / "jobs.db")
    assert f"expected an existing folder, {tmp_path / 'missing'} is none" in reason
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").mkdir()
    assert "expected a file, found a folder" in await refusal(tmp_path / "jobs.db")


async def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="ascii")
    assert "expected an existing folder" in await refusal(tmp_path / "file" / "jobs.db")


@pytest.mark.parametrize("size", [10, 100_000])
async def test_a_file_that_is_no_database(tmp_path: Path, size: int) -> None:
    path = tmp_path / "jobs.db"
    path.write_text("ten bytes\n" * (size // 10), encoding="ascii")
    before = path.read_bytes()
    assert "file is not a database" in await refusal(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "schema",
    ["CREATE TABLE customer (id INTEGER)", "CREATE TABLE store (city TEXT)", "CREATE TABLE store (version INTEGER)"],
)
async def test_a_database_of_somebody_elses(tmp_path: Path, schema: str) -> None:
    path = tmp_path / "jobs.db"
    with sqlite3.connect(path) as connection:
        connection.execute(schema)
    connection.close()
    before = path.read_bytes()
    assert "expected a Toril database or a new file" in await refusal(path)
    assert path.read_bytes() == before  # not even its journal mode was changed
    assert [each.name for each in tmp_path.iterdir()] == ["jobs.db"]


WITHOUT_RIGHTS = """
import asyncio, os, sys
import toril.cli.main, toril.store.sqlite.store  # while it may still read
from toril import Toril
from toril.errors import StoreRefused
from toril.settings import Settings

async def main():
    app = Toril("sqlite:///" + sys.argv[1], settings=Settings(env={}, dotenv=None))
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    try:
        await app.queue("mails").add("welcome")
    except StoreRefused as error:
        print(error)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights are POSIX's")
@pytest.mark.parametrize("kind", ["folder", "file", "hidden"])
def test_a_place_that_cannot_be_written(kind: str) -> None:
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders hide everything from other users
        folder = Path(place, "data")
        folder.mkdir()
        path = folder / "jobs.db"
        if kind == "file":
            path.touch(mode=0o444)
            folder.chmod(0o777)
        else:
            folder.chmod(0o555 if kind == "folder" else 0o000)
        Path(place).chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_RIGHTS, path], capture_output=True, text=True, timeout=60, check=False
        )
        folder.chmod(0o755)
        left = list(folder.iterdir())
    assert done.returncode == 0, done.stderr
    refused = path if kind == "file" else folder
    assert done.stdout.strip() == f"{path}: expected a file and folder that can be written, {refused} cannot"
    assert left == ([path] if kind == "file" else [])


async def test_a_link_to_a_network_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir():
        pytest.skip("no second file system here")
    monkeypatch.setattr("toril.store.sqlite.file._NETWORK", frozenset(["tmpfs"]))  # stands in for one
    with tempfile.TemporaryDirectory(dir=memory) as far, tempfile.TemporaryDirectory(dir="/var/tmp") as near:
        here = Path(near)
        (here / "near").symlink_to(far)
        assert "network file system (tmpfs)" in await refusal(here / "near" / "jobs.db")
        (here / "jobs.db").symlink_to(Path(far, "jobs.db"))
        assert "network file system (tmpfs)" in await refusal(here / "jobs.db")
