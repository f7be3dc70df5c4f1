"""The documents are true: commands are documented, examples run, links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from toril.cli.main import app

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_and_their_options_are_documented(name: str) -> None:
    page = (ROOT / "docs" / "cli.md").read_text()

    assert f"## toril {name}\n" in page
    section = page.split(f"## toril {name}\n")[1].split("\n## ")[0]
    for parameter in COMMANDS[name].params:
        for option in parameter.opts:
            if option.startswith("--"):
                assert option in section, f"docs/cli.md says nothing of toril {name} {option}"


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_have_help(name: str) -> None:
    command = COMMANDS[name]

    assert command.help
    assert all(parameter.help for parameter in command.params if parameter.name != "help")  # type: ignore[attr-defined]


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", h).lower().replace(" ", "-") for h in headings}


def test_every_make_target_is_in_its_help() -> None:
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert isinstance(app, typer.Typer)
    for target in ("venv", "demo", "test", "lint", "bench"):
        assert f"make {target} " in printed
