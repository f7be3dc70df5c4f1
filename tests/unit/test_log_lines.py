"""The events that Toril logs: one list, one table in the documents, nothing beside it."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import toril
from toril import log
from toril.cli.logs import JsonLines, Lines, configure
from toril.log import EVENTS, Event, line
from toril.settings import Settings

ROOT = Path(toril.__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "logging.md").read_text("utf-8")
CONSTANTS = {name for name, value in vars(log).items() if isinstance(value, Event)}
CONFIGURES = {"log.py", "cli/logs.py"}
QUIETENS = {"messaging/database.py"}  # a driver that would write parameters


def sources() -> dict[str, str]:
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in ROOT.rglob("*.py")}


def test_the_page_lists_every_event_with_its_fields() -> None:
    rows = [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in PAGE.splitlines() if "| `" in row]
    assert rows == [
        (f"`{name}`", logging.getLevelName(event.level).lower(), event.says, ", ".join(f"`{f}`" for f in event.fields))
        for name, event in EVENTS.items()
    ]


def test_nothing_is_logged_beside_the_list() -> None:
    users = {name for name, text in sources().items() if re.search(r"\bgetLogger\b|\bbasicConfig\b", text)}
    assert users == CONFIGURES | QUIETENS


def test_every_event_happens_somewhere() -> None:
    used: set[str] = set()
    for name, text in sources().items():
        if name != "log.py":
            used |= {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    assert CONSTANTS - used == set()


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_names_and_fields_are_of_one_kind(event: Event) -> None:
    assert re.fullmatch(r"(job|worker|mail|store)\.[a-z_]+", event.name)
    assert all(re.fullmatch(r"[a-z_]+", field) for field in event.fields)
    taken = vars(logging.makeLogRecord({})).keys() | {"message", "asctime", "event"}
    assert not taken & set(event.fields)


def test_a_record_has_a_line_and_the_fields(caplog: pytest.LogCaptureFixture) -> None:
    log.JOB_FAILED(job="t7", queue="mails", task="welcome", attempt=1, duration=0.20449, error="boom")
    (record,) = caplog.records
    assert record.getMessage() == "job.failed: failed for good job=t7 queue=mails task=welcome attempt=1 duration=0.204 error=boom"  # fmt: skip
    assert (record.name, record.event, record.job, record.duration) == ("toril.job", "job.failed", "t7", 0.204)
    assert record.filename == Path(__file__).name
    assert record.msg == "job.failed: failed for good%s", "the same for all of an event"


def test_what_is_none_is_unsaid(caplog: pytest.LogCaptureFixture) -> None:
    log.MAIL_UNKNOWN(mail="t7", template="welcome", attempt=1, retry_in=None)
    assert caplog.messages == ["mail.unknown: nobody knows whether it arrived mail=t7 template=welcome attempt=1"]


@pytest.mark.parametrize("given", [{}, {"job": "t7", "queue": "q", "by": "ana"}, {"queue": "q", "job": "t7"}])
def test_other_fields_are_a_mistake(given: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match=r"job\.too_late: expected \['job', 'queue'\]"):
        log.JOB_TOO_LATE(**given)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("boom", "error=boom"),
        ("two words", 'error="two words"'),
        ("a=b", 'error="a=b"'),
        ('say "no"', r'error="say \"no\""'),
        ("first\nsecond\x1b[2J", r'error="first\nsecond\u001b[2J"'),
        ("", 'error=""'),
        ("Grüße", "error=Grüße"),
    ],
)
def test_a_field_stays_on_its_line_and_can_be_told_from_the_next(text: str, shown: str) -> None:
    assert line("error", text) == shown


def test_secrets_and_addresses_are_masked_in_line_and_fields(caplog: pytest.LogCaptureFixture) -> None:
    log.STORE_DOWN(error="redis://me:planted@host said: no <ana@example.com>, token=planted")
    (record,) = caplog.records
    for text in (record.getMessage(), record.error):
        assert "planted" not in text
        assert "a***@example.com" in text


def test_what_nobody_hears_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Dear:
        def __str__(self) -> str:
            raise AssertionError("it was written out")

    caplog.set_level(logging.INFO)
    log.JOB_SNOOZED(job=Dear(), queue="q", task="t", retry_in=1.0)
    assert not log.JOB_QUEUED.enabled
    log.STORE_DOWN.again(error=Dear())
    assert caplog.records == []


def emitted(formatter: logging.Formatter, level: int = logging.DEBUG) -> tuple[logging.Handler, io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    handler.setLevel(level)
    return handler, stream


@contextmanager
def new_process() -> Iterator[logging.Logger]:
    """The root logger as a new process has it."""
    root, ours = logging.getLogger(), logging.getLogger("toril")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    root.handlers[:] = []
    root.setLevel(logging.WARNING)
    try:
        yield root
    finally:
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        ours.setLevel(levels[1])


def test_json_lines() -> None:
    handler, stream = emitted(JsonLines())
    with new_process() as root:
        root.addHandler(handler)
        log.JOB_TOO_LATE(job="t7", queue="mails")
        logging.getLogger("shop").warning("%s is out of %s", "ana", "paper")
        try:
            raise ValueError("no <ana@example.com>")  # noqa: TRY301
        except ValueError as error:
            log.JOB_NOT_RUN.raised(error, job="t8", queue="mails")
    first, second, third = map(json.loads, stream.getvalue().splitlines())
    time = first.pop("time")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", time)
    assert first == {
        "level": "warning", "logger": "toril.job", "message": "the outcome came too late, its run was over",
        "event": "job.too_late", "job": "t7", "queue": "mails",
    }  # fmt: skip
    assert (second["message"], second["logger"]) == ("ana is out of paper", "shop")
    assert third["exception"].endswith("ValueError: no <a***@example.com>")


@pytest.mark.parametrize(("form", "kind"), [("json", JsonLines), ("text", Lines), (None, JsonLines)])
def test_a_command_configures_its_process(
    monkeypatch: pytest.MonkeyPatch, form: str | None, kind: type[logging.Formatter]
) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # no terminal, whatever the tests have
    with new_process() as root:
        configure(Settings(env={}, dotenv=None, log_format=form, log_level="debug"))
        (handler,) = root.handlers
        assert type(handler.formatter) is kind
        assert log.JOB_QUEUED.enabled
        assert not logging.getLogger("aiosqlite.core").isEnabledFor(logging.DEBUG)


def test_a_command_keeps_what_the_application_has_configured() -> None:
    handler, _ = emitted(Lines())
    with new_process() as root:
        root.addHandler(handler)
        configure(Settings(env={}, dotenv=None))
        assert root.handlers == [handler]
        assert root.level == logging.WARNING


LIBRARY = """
import asyncio, logging
from toril import Toril
app = Toril("sqlite:///:memory:")

@app.task
async def fail():
    raise ValueError("boom")

async def main():
    await fail.enqueue()
    await app.run_pending()

asyncio.run(main())
assert logging.getLogger().handlers == [], "a library configures nothing"
assert logging.getLogger().level == logging.WARNING
assert logging.getLogger("toril").level == logging.NOTSET
"""


def test_a_library_configures_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LIBRARY], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("job.failed: failed for good job=")
