"""docs/web.md shows the files that the tests run, and the commands that they start them with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from servers import APPS

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "web.md").read_text()
SHOWN = dict(re.findall(r'```python title="(.+?)"\n(.*?)```', PAGE, re.DOTALL))
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
# What a framework's own guide explains, and what stands for the host's own parts
NOT_SHOWN = {"database.py", "shop/__init__.py", "shop/settings.py", "shop/urls.py", "shop/wsgi.py", "shop/asgi.py"}


def test_the_page_has_no_other_python() -> None:
    assert PAGE.count("```python") == len(SHOWN)


def test_every_example_is_shown() -> None:
    assert {str(path.relative_to(APPS)) for path in APPS.rglob("*.py")} == SHOWN.keys() | NOT_SHOWN


@pytest.mark.parametrize("name", SHOWN)
def test_an_example_is_shown_as_it_runs(name: str) -> None:
    assert SHOWN[name] == (APPS / name).read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_run_by_a_test(command: str) -> None:
    assert any(f'"{command}"' in path.read_text() for path in HERE.glob("test_*.py"))
