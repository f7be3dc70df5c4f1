"""An application that cannot be imported is told in one line, with the place of its fault."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from toril.cli.loading import load_app
from toril.errors import ConfigurationError, InvalidOption


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a module beside which a command is started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])

    def write(name: str, text: str) -> str:
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text(text)
        return f"{name}:app"

    return write


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("lacking", "import os\nimport not_installed\n", "ModuleNotFoundError: No module named 'not_installed' (.*lacking.py, line 2)"),
        ("raising", "\n\n1 / 0\n", "ZeroDivisionError: division by zero (.*raising.py, line 3)"),
        ("broken", "def (:\n", "SyntaxError: invalid syntax (broken.py, line 1)"),
    ],
)  # fmt: skip
def test_what_an_import_raises_is_told_with_its_place(module, name: str, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        load_app(module(name, text))
    before, _, after = said.partition(".*")
    assert str(told.value).startswith(f"{name}:app: cannot be imported: {before}")
    assert str(told.value).endswith(after)


def test_what_toril_refuses_there_is_told_as_it_is(module) -> None:
    with pytest.raises(InvalidOption, match="attempts"):
        load_app(
            module("refused", "import toril\napp = toril.Toril()\n@app.task(attempts=0)\ndef ship() -> None: ...\n")
        )
