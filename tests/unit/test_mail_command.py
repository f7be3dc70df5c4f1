"""`toril mail`: a new type from nothing to its preview, and what the commands print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import NamedTuple

import pytest

from toril.cli.main import main

SHOP = """
from mails import InvoiceReady
from toril import Toril
from toril.messaging import Mailer

app = Toril("sqlite:///jobs.db")
mailer = Mailer(app, "memory://", from_address="Shop <shop@example.com>", templates="templates")
mailer.register(InvoiceReady)
"""


class Done(NamedTuple):
    stdout: str
    stderr: str


@pytest.fixture
def toril(tmp_path, monkeypatch, capsys):
    """Return what calls the command line in an empty folder."""
    for key in os.environ:
        if key.startswith(("TORIL_", "MAIL_", "EMAIL_", "FROM_")):
            monkeypatch.delenv(key)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, code: int = 0, **env: str) -> Done:
        for key, value in env.items():
            monkeypatch.setenv(key, value)
        monkeypatch.setattr(sys, "argv", ["toril", "mail", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        done = Done(*capsys.readouterr())
        assert left.value.code == code, done
        return done

    return call


@pytest.fixture
def process(tmp_path):
    """Return what calls it as a person would: in a process of its own."""

    def call(*arguments: str, code: int = 0) -> Done:
        command = [sys.executable, "-W", "error", "-m", "toril", "mail", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return Done(done.stdout, done.stderr)

    return call


@pytest.mark.slow
def test_a_new_type_works_at_once(process, tmp_path):
    made = process("new", "invoice-ready")
    (tmp_path / "mails.py").write_text(made.stdout)
    (tmp_path / "shop.py").write_text(SHOP)
    files = ("subject.txt", "body.html", "sample.json")
    assert made.stderr.splitlines() == [f"wrote templates/invoice-ready/{file}" for file in files]

    assert process("check", "shop:mailer").stdout == "17 message types in en, vi: nothing is wrong\n"
    process("preview", "shop:mailer", "--type", "invoice-ready", "--locale", "en", "--out", "out/new.html")
    text = (tmp_path / "out" / "new.txt").read_text()
    assert text.startswith("Invoice ready for Ana Ruiz\n\nInvoice ready\n\nHello Ana Ruiz")
    assert "What the inbox shows beside the subject." in (tmp_path / "out" / "new.html").read_text()

    (tmp_path / "templates" / "invoice-ready" / "body.html").write_text("<p>\n<a href='/bills'>x</a>")
    found = process("check", "shop:mailer", "--json", code=1)
    faults = [(fault["locale"], fault["fault"]) for fault in json.loads(found.stdout)]
    assert faults == [(locale, "link to '/bills', expected an absolute address") for locale in ("en", "vi")]


def test_a_name_that_is_no_class_is_given_to_it(toril):
    assert (
        'class Mail2faCode(Context, kind="subscribed", name="2fa-code"):'
        in toril("new", "2fa-code", "--kind", "subscribed").stdout
    )


def test_what_is_wrong_is_a_table(toril, tmp_path):
    (tmp_path / "welcome").mkdir()
    (tmp_path / "welcome" / "body.vi.html").write_text("{{ tên }}")
    heading, row = toril("check", code=1, TORIL_TEMPLATES=str(tmp_path)).stdout.splitlines()
    assert heading.split() == ["type", "locale", "part", "fault"]
    assert row.split()[:3] == ["welcome", "vi", "template"]


def test_a_built_in_type_is_copied_to_be_changed(toril, tmp_path):
    assert toril("new", "welcome", "--folder", "own").stdout == ""
    (tmp_path / "own" / "welcome" / "subject.vi.txt").write_text("Xin chào {{ name }}")
    toril("preview", "--type", "welcome", "--locale", "vi", "--out", "w.html", TORIL_TEMPLATES="own", FROM_NAME="Shop")
    assert (tmp_path / "w.txt").read_text().startswith("Xin chào Nguyễn Thị Lan\n")
    assert "own/welcome: there is a template already" in toril("new", "welcome", "--folder", "own", code=2).stderr


def test_the_gallery_shows_all(toril, tmp_path):
    env = {"MAIL_FROM_ADDRESS": "noreply@petcare.com", "MAIL_FROM_NAME": "PAW LOVERS", "TORIL_BRAND_COLOR": "#0a7d5a"}
    rows = json.loads(toril("preview", "--json", **env).stdout)
    index = (tmp_path / "mail-preview" / "index.html").read_text()
    assert len(rows) == 32
    for row in rows:
        assert f'href="{row["type"]}.{row["locale"]}.html"' in index
        assert "PAW LOVERS" in (tmp_path / "mail-preview" / f"{row['type']}.{row['locale']}.txt").read_text()
    assert "#0a7d5a" in (tmp_path / "mail-preview" / "welcome.en.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["new", "Bad_Name"], 2, "message type name: expected lower-case words with hyphens, got 'Bad_Name'"),
        (["new", "../etc"], 2, "message type name: expected lower-case words"),
        (["new", "x", "--kind", "bulk"], 2, "kind of 'x': expected transactional or subscribed, got 'bulk'"),
        (["preview", "--type", "wellcome"], 2, "did you mean 'welcome'?"),
        (
            ["preview", "--type", "welcome", "--locale", "vietnamese"],
            2,
            "locale: expected a language tag such as vi or pt-BR",
        ),
        (["preview", "--out", "all.html"], 2, "expected --type beside a file"),
        (["preview", "welcome"], 2, "'welcome': expected module:name"),
        (["check", "shop"], 2, "'shop': expected module:name"),
        (["check", "toril:Toril"], 2, "toril:Toril: expected a Mailer, found type"),
    ],
)
def test_mistakes_are_told_in_a_line(toril, arguments, code, said):
    assert said in toril(*arguments, code=code).stderr
