"""`toril backup`, `restore`, `hold` and `release`: what they print, and how they say no."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from toril import Toril
from toril.cli import main
from toril.settings import Settings
from toril.store.views import WorkerInfo

Run = Callable[..., tuple[int, str, str]]

CODE = """
from toril import Toril
from toril.settings import Settings
app = Toril({url!r}, settings=Settings(env={{}}, dotenv=None, mail_log_url={log!r}))

@app.task(queue="reports")
async def report() -> None: ...
"""


@pytest.fixture
def toril(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command for the application `vault:app`; return exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    place(tmp_path)

    def run(command: str, *arguments: str) -> tuple[int, str, str]:
        sys.modules.pop("vault", None)  # as a process of its own would have it
        monkeypatch.setattr(sys, "argv", ["toril", command, *arguments, "--app", "vault:app"])
        with pytest.raises(SystemExit) as ended:
            main.main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out.strip(), told.err.strip()

    return run


def place(folder: Path, url: str = "sqlite:///jobs.db", log: str = "sqlite:///mail.db") -> None:
    """Write the application."""
    (folder / "vault.py").write_text(CODE.format(url=url, log=log))


async def fill(url: str = "sqlite:///jobs.db") -> None:
    async with Toril(url, settings=Settings(env={}, dotenv=None)) as app:
        await app.queue("reports").add("report", job_id="monthly")
        await app.queue("by hand").pause(by="ana")


@pytest.fixture
def backup(toril: Run) -> Path:
    """A backup of two queues, one of them paused by a person, without a log."""
    asyncio.run(fill())
    assert toril("backup", "b.zip")[0] == 0
    return Path("b.zip")


def test_a_backup_tells_what_is_in_it_and_is_nobody_elses(toril: Run, backup: Path) -> None:
    (part,) = json.loads(toril("restore", str(backup), "--check", "--json")[1])
    assert (part["part"], part["holds"]["reports"]) == ("jobs", {"waiting": 1})
    assert part["from"] == str(Path("jobs.db").absolute())
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert "reports: 1 waiting" in toril("restore", str(backup), "--check")[1]
    assert toril("backup", str(backup)) == (1, "", "toril: b.zip: it is there already, and a backup overwrites none")


def test_a_restore_pauses_all_and_a_release_resumes_no_more_than_that(toril: Run, backup: Path) -> None:
    code, _, err = toril("restore", str(backup), "--force")
    assert (code, "1 queue paused, 0 mails held" in err) == (0, True)
    old = list(Path().glob("jobs.db.before-*"))
    assert len(old) == 1
    assert str(old[0]) in err
    assert toril("release") == (0, "1 queue resumed: reports", "")
    assert toril("release")[1] == "0 queues resumed"


def test_a_restore_into_a_folder_leaves_the_application_alone(toril: Run, backup: Path) -> None:
    Path("look").mkdir()
    before = Path("jobs.db").read_bytes()
    assert toril("restore", str(backup), "--into", "look")[0] == 0
    assert sorted(path.name for path in Path("look").iterdir()) == ["jobs.db"]
    assert Path("jobs.db").read_bytes() == before
    assert "it is there already: choose another place" in toril("restore", str(backup))[2]
    assert "there already" in toril("restore", str(backup), "--into", "look")[2]


def rewritten(path: Path, change: Callable[[str], str]) -> None:
    """Change the manifest of a backup."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content["manifest.json"] = change(content["manifest.json"].decode()).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def flipped(path: Path) -> None:
    """Change a byte in the middle of a backup, where the copy is."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (lambda path: path.unlink(), "there is no such file"),
        (lambda path: path.write_bytes(b"no zip"), "expected a backup of Toril"),
        (lambda path: os.truncate(path, path.stat().st_size // 2), "expected a backup of Toril"),
        (lambda path: rewritten(path, lambda text: text.replace('"format": 1', '"format": 2')), "a newer Toril"),
        (lambda path: rewritten(path, lambda text: text.replace('"sha256": "', '"sha256": "0')), "jobs.db is damaged"),
        (flipped, "jobs.db is damaged"),
    ],
)
def test_what_is_no_sound_backup_is_refused_and_nothing_touched(
    toril: Run, backup: Path, harm: Callable[[Path], None], error: str
) -> None:
    before = Path("jobs.db").read_bytes()
    harm(backup)
    for arguments in (["--check"], ["--force"]):
        code, _, err = toril("restore", "b.zip", *arguments)
        assert (code, error in err) == (1, True), err
    assert Path("jobs.db").read_bytes() == before
    assert {path.name for path in Path().iterdir()} <= {"b.zip", "jobs.db", "jobs.db-lock", "vault.py", "__pycache__"}


def test_a_place_that_is_no_file_is_said_in_one_line(toril: Run, backup: Path) -> None:
    Path("jobs.db").unlink()
    Path("jobs.db").mkdir()
    code, _, err = toril("restore", str(backup), "--force")
    assert (code, err) == (1, "toril: b.zip: it could not be restored: unable to open database file")


@pytest.mark.parametrize(
    ("url", "log", "error"),
    [
        ("redis://localhost:1", "sqlite:///mail.db", "the jobs are in Redis: copy them with redis-cli --rdb"),
        ("sqlite:///jobs.db", "postgresql://localhost/shop", "the delivery log is in PostgreSQL: copy it with pg_dump"),
        ("sqlite:///:memory:", "sqlite:///mail.db", "the jobs are in memory"),
        ("sqlite:///nothing.db", "sqlite:///mail.db", "nothing.db: there is none"),
    ],
)
def test_what_has_another_tool_is_not_left_out_in_silence(
    toril: Run, tmp_path: Path, url: str, log: str, error: str
) -> None:
    asyncio.run(fill())
    place(tmp_path, url, log)
    code, _, err = toril("backup", "b.zip")
    assert (code, error in err) == (1, True), err
    assert not Path("b.zip").exists()


def test_the_part_that_is_here_is_copied_if_asked_for_alone(toril: Run, tmp_path: Path) -> None:
    asyncio.run(fill())
    place(tmp_path, log="postgresql://localhost/shop")
    assert "--only jobs" in toril("backup", "b.zip")[2]
    assert toril("backup", "b.zip", "--only", "jobs")[0] == 0
    place(tmp_path)
    code, _, err = toril("backup", "c.zip", "--only", "log")
    assert (code, "mail.db: there is none" in err) == (1, True)


def test_a_damaged_store_makes_no_backup(toril: Run) -> None:
    asyncio.run(fill())
    with Path("jobs.db").open("rb+") as file:
        file.seek(5_000)
        file.write(b"\xff" * 90_000)
    code, _, err = toril("backup", "b.zip")
    assert (code, "toril: " in err, "Traceback" in err) == (1, True, False)
    assert not Path("b.zip").exists()


def test_a_disk_without_room_makes_no_backup_and_no_restore(toril: Run, backup: Path) -> None:
    before = Path("jobs.db").read_bytes()
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)); from toril.cli.main import main; main()"
    for arguments in (["backup", "c.zip"], ["restore", str(backup), "--force"]):
        done = subprocess.run(
            [sys.executable, "-c", limited, *arguments, "--app", "vault:app"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        assert "toril: " in done.stderr
        assert "Traceback" not in done.stderr
    assert not Path("c.zip").exists()
    assert Path("jobs.db").read_bytes() == before
    assert not list(Path().glob(".toril-*"))


def test_hold_is_for_a_store_that_other_tools_have_put_back(toril: Run) -> None:
    asyncio.run(fill())
    assert toril("hold", "--taken", "Monday") == (0, "1 queue paused, 0 mails held", "")
    assert toril("release")[1] == "1 queue resumed: reports"


def test_nothing_is_held_beneath_a_worker(toril: Run) -> None:
    async def enrol() -> None:
        async with Toril("sqlite:///jobs.db", settings=Settings(env={}, dotenv=None)) as app:
            await app.store.enrol(WorkerInfo("a", "here", 7, 600.0, {"reports": 1}))

    asyncio.run(enrol())
    assert toril("hold", "--taken", "Monday")[::2] == (1, "toril: workers are alive (here:7): stop them first")
