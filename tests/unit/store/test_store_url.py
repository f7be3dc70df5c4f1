"""Store URLs: which file they name, what is wrong with those that name none, and which files must not be used."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from toril import Toril
from toril.errors import InvalidStoreURL, StoreRefused
from toril.store.sqlite.file import DatabaseFile, refuse_network, refuse_old_sqlite


def test_a_relative_path_is_relative_to_where_the_process_began(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = DatabaseFile("sqlite:///data/jobs.db", "NORMAL")
    monkeypatch.chdir("/")
    assert file.path == tmp_path / "data" / "jobs.db"
    assert file.beside("-lock") == tmp_path / "data" / "jobs.db-lock"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////var/lib/jobs.db", "/var/lib/jobs.db"),
        ("sqlite:////var/lib/my jobs #1.db", "/var/lib/my jobs #1.db"),
        ("sqlite:////srv/ümläut/100%.db", "/srv/ümläut/100%.db"),
        ("sqlite:////srv/a%20b.db", "/srv/a%20b.db"),  # taken as it is written, as by SQLAlchemy
    ],
)
def test_an_absolute_path_is_taken_as_it_is_written(url, path):
    assert DatabaseFile(url, "NORMAL").path == Path(path)


async def test_a_file_of_any_name_is_the_one_that_is_used(tmp_path, settings):
    path = tmp_path / "my jobs #1 100%.db"
    async with Toril(f"sqlite:///{path}", settings=settings) as app:
        await app.queue("emails").add("welcome")
    assert path.exists()


async def test_a_database_in_memory_belongs_to_one_application(settings):
    async with (
        Toril("sqlite:///:memory:", settings=settings) as first,
        Toril("sqlite:///:memory:", settings=settings) as second,
    ):
        await first.queue("emails").add("welcome")
        assert (await first.queue("emails").counts())["waiting"] == 1
        assert (await second.queue("emails").counts())["waiting"] == 0


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "sqlit:///jobs.db",
            "sqlit:///jobs.db: expected a URL that begins with sqlite:// or redis://; did you mean sqlite://?",
        ),
        ("sqlite3:///jobs.db", "did you mean sqlite://?"),
        ("SQLITE:///jobs.db", "did you mean sqlite://?"),
        ("sqlite:/jobs.db", "expected a URL that begins with sqlite:// or redis://"),
        ("sqlite//jobs.db", "expected a URL that begins with sqlite:// or redis://"),
        ("jobs.db", "jobs.db: expected a URL that begins with sqlite:// or redis://"),
        ("mongodb://jobs", "mongodb://jobs: expected a URL that begins with sqlite:// or redis://"),
        ("sqlite://jobs.db", "sqlite://jobs.db: expected sqlite:///relative/file.db, sqlite:////absolute/file.db"),
        ("sqlite:///", "sqlite:///: expected sqlite:///relative/file.db"),  # an empty variable, not a wish for memory
        ("sqlite://", "sqlite://: expected sqlite:///relative/file.db"),
        ("sqlite:///data/", "expected sqlite:///relative/file.db"),
        ("sqlite:///jobs.db?synchronous=FULL", "without parameters"),
        ("sqlite://:memory:", "sqlite:///:memory:"),
    ],
)
def test_a_url_that_names_no_store_is_refused_when_the_application_is_made(
    tmp_path, monkeypatch, settings, url, message
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidStoreURL) as caught:
        Toril(url, settings=settings)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_password_in_a_mistyped_url_is_not_shown(settings):
    with pytest.raises(InvalidStoreURL) as caught:
        Toril("sqlredis://default:hunter2@cache.example", settings=settings)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("missing/jobs.db", "expected an existing folder, {tmp}/missing is none"),
        ("folder", "expected a file, found a folder"),
        ("note.txt", "file is not a database"),
        ("foreign.db", "expected a Toril database or a new file, found another's tables"),
        ("newer.db", "expected schema version 1, found 99: made by another Toril"),
    ],
)
async def test_a_file_that_cannot_be_used_is_refused_at_opening(tmp_path, settings, place, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "note.txt").write_text("not a database, but long enough to look like none " * 20)
    for name, script in {
        "foreign.db": "CREATE TABLE invoice (id INTEGER)",
        "newer.db": "CREATE TABLE store (version INTEGER); INSERT INTO store VALUES (99)",
    }.items():
        connection = sqlite3.connect(tmp_path / name)
        connection.executescript(script)
        connection.close()
    before = (tmp_path / place).read_bytes() if (tmp_path / place).is_file() else None
    app = Toril(f"sqlite:///{tmp_path / place}", settings=settings)
    with pytest.raises(StoreRefused) as caught:
        await app.open()
    assert message.format(tmp=tmp_path) in str(caught.value)
    await app.close()
    if place == "note.txt":
        assert (tmp_path / place).read_bytes() == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="Linux: a file system on which nobody may make files")
async def test_a_read_only_file_system_is_refused(settings):
    app = Toril("sqlite:////proc/self/jobs.db", settings=settings)
    with pytest.raises(StoreRefused, match=r"/proc/self/jobs.db"):
        await app.open()


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:40 / /mnt/team rw,relatime shared:20 - nfs4 nas:/team rw
41 40 8:2 / /mnt/team/local rw,relatime - xfs /dev/sdb rw
42 22 0:42 / /mnt/my\\040share rw,relatime - cifs //nas/share rw
43 22 0:43 / /mnt/bucket rw,relatime - fuse.s3fs s3fs rw
44 22 0:44 / /mnt/fuse rw,relatime - fuse.gocryptfs crypt rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/mnt/team/jobs.db", "nfs4"), ("/mnt/my share/a/jobs.db", "cifs"), ("/mnt/bucket/jobs.db", "fuse.s3fs")],
)
def test_a_network_file_system_is_refused(path, kind):
    with pytest.raises(StoreRefused, match=f"expected a local disk, .* is a network file system \\({kind}\\)"):
        refuse_network(Path(path), MOUNTS)


@pytest.mark.parametrize("path", ["/jobs.db", "/mnt/teamwork/jobs.db", "/mnt/team/local/jobs.db", "/mnt/fuse/jobs.db"])
def test_a_local_disk_is_not_refused(path):
    refuse_network(Path(path), MOUNTS)


def test_an_old_sqlite_is_refused():
    refuse_old_sqlite((3, 35, 0))
    with pytest.raises(StoreRefused, match=r"SQLite 3\.34\.1 is too old: expected 3\.35\.0 or newer"):
        refuse_old_sqlite((3, 34, 1))
