"""`toril settings`, run as users run it, and the two documents that it makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from toril.cli.output import show
from toril.cli.settings import env_example, markdown
from toril.settings import Settings
from toril.settings.environment import Variable

ROOT = Path(__file__).parents[2]
NAMES = [name for field in Settings.model_fields.values() for name in Variable.of(field).names]


@pytest.fixture
def toril(tmp_path):
    """Run the command in a folder of its own, with these variables and no others of ours."""
    outer = {name: value for name, value in os.environ.items() if name not in NAMES}

    def run(*arguments, env=None):
        command = [sys.executable, "-c", "from toril.cli.main import main; main()", *arguments]
        outcome = subprocess.run(
            command, cwd=tmp_path, env={**outer, **(env or {})}, capture_output=True, text=True, check=False
        )
        return outcome.returncode, outcome.stdout, outcome.stderr

    return run


@pytest.mark.parametrize(("path", "text"), [(".env.example", env_example), ("docs/settings.md", markdown)])
def test_committed_document_is_the_one_that_is_generated(path, text):
    assert (ROOT / path).read_text("utf-8") == text(), "make it again with `toril settings`"


def test_the_command_prints_the_documents(toril):
    assert toril("settings", "--env-example") == (0, env_example(), "")
    assert toril("settings", "--markdown") == (0, markdown(), "")


def test_every_name_is_in_both_documents():
    example, table = env_example(), markdown()
    assert [name for name in NAMES if name not in example] == []
    assert [name for name in NAMES if f"`{name}`" not in table] == []


def test_env_example_changes_nothing_as_it_is_and_is_valid_when_everything_in_it_is_used(tmp_path, monkeypatch):
    path = tmp_path / ".env"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "templates").mkdir()

    path.write_text(env_example(), "utf-8")
    assert Settings(env={}) == Settings(env={}, dotenv=None)

    path.write_text(env_example().replace("\n#", "\n").replace("\n ", "\n# "), "utf-8")
    used = Settings(env={})
    unused = [name for name in Settings.model_fields if used.origin(name).source != ".env"]
    assert unused == ["redis_password", "mail_password", "secret_keys"]
    assert used.mail_from == "Example Shop <noreply@example.com>"


def test_effective_settings_with_their_sources(toril, tmp_path):
    (tmp_path / ".env").write_text("MAIL_HOST=smtp.example.com\nMAIL_PASSWORD=hunter2\n")
    (tmp_path / "redis").write_text("hunter2\n")
    env = {"EMAIL_USER": "ana", "REDIS_HOST": "redis", "REDIS_PASSWORD_FILE": str(tmp_path / "redis")}

    code, out, err = toril("settings", "--json", env=env)

    rows = {row.pop("setting"): tuple(row.values()) for row in json.loads(out)}
    assert (code, err) == (0, "")
    assert "hunter2" not in out
    assert rows["mail_host"] == ("smtp.example.com", ".env", "MAIL_HOST")
    assert rows["mail_password"] == ("********", ".env", "MAIL_PASSWORD")
    assert rows["mail_user"] == ("ana", "environment", "EMAIL_USER")
    assert rows["redis_password"] == ("********", "file", "REDIS_PASSWORD_FILE")
    assert rows["redis_port"] == (6379, "default", "REDIS_PORT")
    assert rows["url"] == (None, "default", "TORIL_URL")
    assert rows["store_url"] == ("redis://:********@redis:6379", "worked out", "")
    assert rows["mail_url"] == ("smtp+starttls://ana:********@smtp.example.com:587", "worked out", "")


def test_the_table_has_one_line_a_setting(toril):
    code, out, _ = toril("settings", env={"TORIL_URL": f"redis://user:hunter2@{'long.' * 60}example.com"})

    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["setting", "value", "source", "variable"]
    assert len(lines) == 1 + len(Settings.model_fields) + 3
    assert f"redis://user:********@{'long.' * 60}example.com" in out


def test_a_bad_setting_is_one_line_and_exit_code_2(toril):
    expected = "toril: REDIS_PORT='x' (environment): expected a port number, 1 to 65535\n"

    assert toril("settings", env={"REDIS_PORT": "x"}) == (2, "", expected)


def test_one_form_at_a_time(toril):
    code, out, err = toril("settings", "--json", "--markdown")

    assert (code, out) == (2, "")
    assert "expected one of --json, --env-example, --markdown" in err


def test_start_up_imports_nothing_heavy():
    code = (
        "import sys; from toril.cli.main import app; app(['--version'], standalone_mode=False);"
        "print([m for m in ('toril.settings', 'pydantic_settings', 'sqlalchemy') if m in sys.modules])"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert outcome.stdout.startswith("toril 0.")
    assert outcome.stdout.endswith("\n[]\n")


# The one place that prints


def test_json_keeps_types_and_text(capsys):
    show([{"id": 1, "name": "Zoë", "at": None, "path": Path("x")}], as_json=True)

    assert json.loads(capsys.readouterr().out) == [{"id": 1, "name": "Zoë", "at": None, "path": "x"}]


def test_a_table_shows_values_as_they_are_but_nothing_that_steers_a_terminal(capsys):
    show([{"name": "[bold]x[/bold]", "error": "a\x1b[2Jb\nc"}], as_json=False)

    assert capsys.readouterr().out.splitlines()[1].split() == ["[bold]x[/bold]", "a\\x1b[2Jb\\nc"]


@pytest.mark.parametrize(("as_json", "text"), [(True, "[]\n"), (False, "")])
def test_no_rows(capsys, as_json, text):
    show([], as_json=as_json)

    assert capsys.readouterr().out == text
