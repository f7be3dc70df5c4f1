"""The documents are true: commands are documented, examples run, links lead somewhere."""

from __future__ import annotations

import ast
import asyncio
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from toril import Toril
from toril.cli.main import app

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
TEMPLATES = sorted((ROOT / "src" / "toril" / "web" / "dashboard" / "templates").glob("*.html"))
CONTRACT = ROOT / "tests" / "contract"
COMMAND = get_command(app)
COMMANDS = COMMAND.commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_and_their_options_are_documented(name: str) -> None:
    page = (ROOT / "docs" / "cli.md").read_text()

    assert f"## toril {name}\n" in page
    section = page.split(f"## toril {name}\n")[1].split("\n## ")[0]
    for parameter in COMMANDS[name].params:
        for option in parameter.opts:
            if option.startswith("--"):
                assert option in section, f"docs/cli.md says nothing of toril {name} {option}"


def test_programs_can_read_what_every_command_has_to_say() -> None:
    """But for those that run until they are told to end, and one that writes files."""
    todo, silent = [((), COMMAND)], []
    while todo:
        path, command = todo.pop()
        if hasattr(command, "commands"):
            todo += [((*path, name), found) for name, found in command.commands.items()]
        elif not any("--json" in parameter.opts for parameter in command.params):
            silent.append(" ".join(path))
    assert sorted(silent) == ["dev", "mail new", "serve", "worker"]


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_have_help(name: str) -> None:
    command = COMMANDS[name]

    assert command.help
    assert all(parameter.help for parameter in command.params if parameter.name != "help")  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_is_one_that_toril_understands(page: Path) -> None:
    for line in re.findall(r"^(?:    )?(toril [a-z].*)$", page.read_text(), re.MULTILINE):
        with CliRunner().isolation(input="correct horse battery\n" * 2):
            understand(COMMAND, shlex.split(line.partition(" > ")[0])[1:])


@pytest.mark.parametrize("page", [*PAGES, *TEMPLATES], ids=lambda page: page.name)
def test_every_command_that_is_named_is_there(page: Path) -> None:
    for name, below in re.findall(r"(?:`|<code>)toril ([a-z]+)(?: ([a-z]+)\b)?", page.read_text()):
        assert name in COMMANDS
        assert not below or below in getattr(COMMANDS[name], "commands", {below}), f"toril {name} {below}"


def understand(command: Any, words: list[str], parent: Any = None) -> None:
    """Raise UsageError unless a command line can be read to its end."""
    if not hasattr(command, "commands"):
        command.make_context(command.name, words, parent=parent)
        return
    context = command.make_context(command.name, words[:0], parent=parent, resilient_parsing=True)
    _, found, rest = command.resolve_command(context, words)
    understand(found, rest, context)


def test_what_the_commands_page_shows_of_looking_after_jobs_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()  # without it, a `shop.py` anywhere on the path comes first
    (tmp_path / "shop" / "jobs.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("TORIL_URL", url := f"sqlite:///{tmp_path}/jobs.db")
    monkeypatch.delenv("TORIL_APP", raising=False)
    asyncio.run(fill(url))
    after_jobs = (ROOT / "docs" / "cli.md").read_text().split("## toril queues")[1].split("## toril demo")[0]
    lines = re.findall(r"^    (toril .*)$", after_jobs, re.MULTILINE)
    assert len(lines) > 20
    for line in lines:
        done = CliRunner().invoke(app, shlex.split(line)[1:], input="correct horse battery\n" * 2)
        expected = 1 if line.startswith(FINDS_NONE) else 0
        assert (done.exit_code, done.exception) == (expected, done.exception if expected else None), line + done.output
    for name in ("shop", "shop.jobs"):
        sys.modules.pop(name, None)


FINDS_NONE = ("toril workers", "toril token revoke", "toril remove")
SHOP = """
from toril import Toril
app = Toril()

@app.task(queue="emails")
async def welcome(to: str) -> None: ...
"""


async def fill(url: str) -> None:
    """Leave behind what the examples speak of: jobs that failed, one that waits for its time, a schedule."""
    async with Toril(url) as shop:

        @shop.every(3600)
        @shop.task(queue="emails")
        async def report() -> None: ...

        @shop.task(queue="emails")
        async def welcome(to: str) -> None:
            raise TimeoutError(f"timeout while sending to {to}")

        for job_id in (None, None, "welcome-42"):
            await welcome.using(job_id=job_id).enqueue(to="ana@example.com")
        await shop.run_pending()
        await welcome.using(delay=3600).enqueue(to="ana@example.com")


def test_readme_examples_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)

    assert len(blocks) == 2
    for block in blocks:
        (tmp_path / "shop.py").write_text(block)
        call = "handler" if "handler" in block else "sign_up"
        code = f"import asyncio, shop\nprint(asyncio.run(shop.{call}()))"
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_the_traced_example_prints_one_trace(tmp_path: Path) -> None:
    (code,) = re.findall(
        r'```python title="traced.py"\n(.*?)```', (ROOT / "docs" / "tracing.md").read_text(), re.DOTALL
    )
    (tmp_path / "traced.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-W", "error", "traced.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert re.findall(r'^    "name": "(.*)"', done.stdout, re.MULTILINE) == [
        "enqueue reports", "POST /reports", "process reports",
    ]  # fmt: skip
    assert len(set(re.findall(r'"trace_id": "(.*)"', done.stdout))) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", h).lower().replace(" ", "-") for h in headings}


def test_the_readme_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\(docs/([\w-]+\.md)\)", (ROOT / "README.md").read_text()))

    assert linked == {page.name for page in (ROOT / "docs").glob("*.md")}


def test_every_make_target_is_in_its_help() -> None:
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert isinstance(app, typer.Typer)
    for target in ("venv", "demo", "test", "lint", "bench"):
        assert f"make {target} " in printed


def promises() -> list[list[str]]:
    """Return the cells of each line of the table of promises."""
    lines = (CONTRACT / "COVERAGE.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
    return [row for row in rows if row[0] != "promise"]


def names_of(path: Path) -> set[str]:
    found = [
        node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return {node.name for node in found if node.name.startswith("test_")}


@pytest.mark.parametrize("row", promises(), ids=lambda row: row[0])
def test_each_promise_has_tests_that_show_it_kept_and_where_it_ends(row: list[str]) -> None:
    _, *columns = row
    named = [re.findall(r"`(.+?)::(.+?)`", column) for column in columns]
    assert len(named) == 2
    assert all(named), "one column names no test"
    assert not set(named[0]) & set(named[1]), "a test cannot show both"
    for file, test in [*named[0], *named[1]]:
        assert test in names_of(CONTRACT / file), f"{file} has no test {test}"


def test_each_file_of_the_contract_holds_a_promise() -> None:
    named = {file for _, *columns in promises() for file, _ in re.findall(r"`(.+?)::(.+?)`", " ".join(columns))}

    assert {path.name for path in CONTRACT.glob("test_*.py")} <= named
