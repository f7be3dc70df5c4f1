"""The guides for whoever sets up, deploys and repairs: their commands exist, run, and show what they are said to show."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import sys
import urllib.request
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from processes import TORIL, Processes, until
from redis_servers.server import free_port
from redis_servers.servers import Servers
from toril.cli.main import app as cli
from toril.errors import StoreUnavailable

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
COMMAND = get_command(cli)
GUIDES = [DOCS / f"{name}.md" for name in ("setting-up", "deploying", "production", "scaling", "troubleshooting")]
SERVING = {"worker", "serve", "dev"}  # until they are told to stop: tests/deploy runs them
OTHERS = {".", "cd", "cp", "curl", "docker", "kubectl", "mkdir", "pip", "python", "python3", "sudo"}
PLACEHOLDERS = {"ID": "m1", "QUEUE": "orders"}

Run = Callable[[str], str]


def commands(text: str) -> list[str]:
    """Return the command lines of the blocks of a text, those that go on in the next line joined."""
    lines = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ").splitlines()
    return [line for line in lines if line]


def named(page: Path) -> Iterator[list[str]]:
    """Yield the arguments of every `toril` command of a page, in a block or in a line, by whatever it is run.

    What stands in a line with its name alone is not meant to be run.
    """
    text = page.read_text()
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for line in [*commands(text), *inline]:
        found = re.match(r"(?:toril|(?:docker|kubectl|sudo) .*\btoril) ([^>|]+)", line)
        if found and " " in found[1].strip() and "…" not in line:
            words = [PLACEHOLDERS.get(word, word) for word in shlex.split(found[1])]
            yield [*words, *(["--password", "p" * 12] if words[:2] == ["user", "create"] else [])]


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_every_command_that_is_named_takes_what_it_is_given(page: Path) -> None:
    for arguments in named(page):
        command, context, rest = COMMAND, None, ["toril", *arguments]
        while command is not None:
            context = command.make_context(rest[0], rest[1:], parent=context)
            if not hasattr(command, "resolve_command"):
                break
            _, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            rest = [command.name, *rest]


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_programs_of_others_are_known_ones(page: Path) -> None:
    assert {shlex.split(line)[0] for line in commands(page.read_text())} <= {"toril", *OTHERS}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example of deploy/ in a folder of its own, which is the working directory."""
    shutil.copytree(ROOT / "deploy" / "docker" / "shop", tmp_path / "shop")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    settings = {
        "TORIL_APP": "shop.jobs:app",
        "TORIL_URL": f"sqlite:///{tmp_path}/jobs.db",
        "TORIL_MAIL_URL": "console://",
        "TORIL_DEPLOY_GRACE": "0",
        "MAIL_FROM_ADDRESS": "shop@example.com",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    yield tmp_path
    forget()


def forget() -> None:
    """Forget the example's modules: each command is a process of its own elsewhere."""
    for name in ("shop", "shop.jobs"):
        sys.modules.pop(name, None)


def jobs() -> ModuleType:
    """Import the example's jobs anew."""
    forget()
    return import_module("shop.jobs")


@pytest.fixture
def run(shop: Path) -> Run:
    """Run a `toril` command and return what it says. It may find nothing or something wrong (1), and never break."""

    def run(line: str) -> str:
        forget()
        done = CliRunner().invoke(cli, shlex.split(line.partition(">")[0])[1:])
        assert done.exit_code in {0, 1}, f"{line}: {done.output}"
        assert done.exception is None or isinstance(done.exception, SystemExit), f"{line}: {done.exception!r}"
        return done.output

    return run


def add_three() -> None:
    """Add a job that fails for good, one that sends a mail, and one that waits for an hour; run what can run."""
    app = jobs().app
    queue = app.queue("orders")

    async def add() -> None:
        await queue.add("forgotten", {})
        await queue.add("confirm_order", {"number": 2, "email": "ana@example.com"})
        await queue.add("confirm_order", {"number": 3, "email": "bo@example.com"}, delay=3600)
        await app.run_pending()
        await app.close()

    app.run(add())


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_commands_of_blocks_run(page: Path, run: Run, shop: Path) -> None:
    (shop / "jobs.py").write_text("from shop.jobs import app, mailer\n")  # what the page on setting up lets one save
    add_three()
    for line in commands(page.read_text()):
        program, *arguments = shlex.split(line)
        if program == "toril" and arguments[0] not in SERVING:
            run(line)


def lead(heading: str) -> str:
    """Return the first command of an entry: the one that shows the cause."""
    (entry,) = re.findall(
        rf"^## {heading}\n(.*?)(?=^## |\Z)", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return commands(entry)[0]


def test_why_a_job_waits_is_shown(run: Run) -> None:
    add_three()
    run("toril promote orders 3")

    assert "no worker serves queue orders" in run(lead("Jobs wait and nothing happens"))
    run("toril pause orders --why 'the bank is down'")
    assert "the bank is down" in run(lead("Jobs wait and nothing happens"))


def test_what_fails_is_shown(run: Run) -> None:
    add_three()

    for heading in ("Many jobs fail", "A new task is not known"):
        assert re.search(r"\bforgotten\b.*no worker here knows task", run(lead(heading)))


def test_what_became_of_a_mail_is_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORIL_MAIL_URL", f"smtp://127.0.0.1:{free_port()}")
    add_three()

    (line,) = (line for line in run(lead("Mail is not sent")).splitlines() if "ana@example.com" in line)
    assert "pending" in line
    assert re.search(r"refused|Connect call failed", line)


def test_a_redis_that_is_not_there_is_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORIL_URL", f"redis://127.0.0.1:{free_port()}")

    assert re.search(r"store +wrong .*see that it runs", run(lead("Redis refuses the connection")))


def test_a_redis_that_loses_jobs_is_shown(run: Run, monkeypatch: pytest.MonkeyPatch, redis_servers: Servers) -> None:
    monkeypatch.setenv("TORIL_URL", redis_servers.single(maxmemory_policy="allkeys-lru", appendonly="no").url)
    told = run(lead("Jobs are gone"))

    assert "noeviction" in told
    assert "appendonly" in told


def test_a_redis_that_is_full_can_be_emptied(run: Run, monkeypatch: pytest.MonkeyPatch, redis_servers: Servers) -> None:
    monkeypatch.setenv("TORIL_URL", redis_servers.single(maxmemory="3mb").url)
    app = jobs().app

    async def fill() -> None:
        for _ in range(1_000):
            await app.queue("orders").add("confirm_order", {"number": 4, "email": "x" * 50_000})

    with pytest.raises(StoreUnavailable, match="command not allowed when used memory > 'maxmemory'"):
        app.run(fill())
    app.run(app.close())
    assert re.match(r"removed [1-9]\d+ jobs", run("toril clean orders --state waiting --older-than 0s --yes"))


def test_what_fills_a_queue_is_shown(run: Run) -> None:
    add_three()

    for heading in ("Redis runs out of memory", "Jobs are slow"):
        columns, *lines = (line.split() for line in run(lead(heading)).splitlines())
        orders = next(line for line in lines if line[0] == "orders")
        assert (orders[columns.index("delayed")], orders[columns.index("failed")]) == ("1", "1")


def test_how_often_a_job_ran_is_shown(run: Run) -> None:
    add_three()

    assert re.search(r"attempts +1 of 3, 1 start", run(lead("A job or mail came twice")))


def test_when_a_schedule_runs_is_shown(run: Run) -> None:
    add_three()

    assert re.search(r"nightly_report .*03:00 \(UTC\)", run(lead("A schedule did not run")))


SLEEPER = """
import asyncio
from shop.jobs import app

@app.task(queue="orders")
async def sleeper() -> None:
    await asyncio.sleep(600)
"""


@pytest.fixture
def processes(shop: Path) -> Iterator[Processes]:
    """Real processes of the example, beside a task that hangs."""
    (shop / "hanging.py").write_text(SLEEPER)
    kept = ("TORIL_MAIL_URL", "MAIL_FROM_ADDRESS")
    env = {**{name: os.environ[name] for name in kept}, "TORIL_SECRET_KEYS": "k" * 40}
    started = Processes(shop, shop, os.environ["TORIL_URL"], shop / "ledger", **env)
    yield started
    started.end()


def asked(heading: str, port: int) -> str | None:
    """Ask what the `curl` of an entry asks, of a process on another port; None: nobody answers."""
    (url,) = re.findall(r"http://\S+", lead(heading))
    try:
        with urllib.request.urlopen(re.sub(r":\d+/", f":{port}/", url), timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return None


@pytest.mark.slow
async def test_a_task_that_hangs_is_shown(run: Run, processes: Processes) -> None:
    port = free_port()
    processes.start(TORIL, "worker", "hanging:app", WORKER_HEALTH_CHECK_PORT=str(port))
    processes.start(sys.executable, "-c", "import hanging; hanging.sleeper.enqueue_sync()")

    await until(lambda: '"running": 1' in (asked("A worker's memory grows", port) or ""), 60)
    told = await asyncio.to_thread(run, lead("Jobs stay active"))
    assert re.search(r"\bsleeper\b.*\bactive\b|\bactive\b.*\bsleeper\b", told)
    assert re.search(r" 1 of \d+ ", await asyncio.to_thread(run, "toril workers"))


@pytest.mark.slow
async def test_a_web_process_that_answers_is_shown(processes: Processes) -> None:
    port = free_port()
    processes.start(TORIL, "serve", "shop.jobs:app", "--port", str(port))

    await until(lambda: asked("The dashboard does not answer", port), 60)
    assert asked("Requests are slow", port) == '{"status":"ok"}'
