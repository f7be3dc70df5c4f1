"""`toril mail`, the part about messages: what it prints, what it changes, and how it says no."""

import json
import sys

import pytest

from toril.cli import main

CODE = """
from toril import Toril
from toril.messaging import Mailer
from toril.settings import Settings
settings = Settings(env={}, dotenv=None, environment="development", secret_keys="a key for tests of 32 characters or more")
app = Toril("sqlite:///jobs.db", settings=settings)
mailer = Mailer(app, "memory://", from_address="a@shop.example", log_url="sqlite:///mail.db")
"""


@pytest.fixture
def toril(tmp_path, monkeypatch, capsys):
    (tmp_path / "mail_shop.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(command, *arguments):
        sys.modules.pop("mail_shop", None)  # as a process of its own would have it
        monkeypatch.setattr(sys, "argv", ["toril", "mail", command, "mail_shop:mailer", *arguments])
        with pytest.raises(SystemExit) as ended:
            main.main()
        told = capsys.readouterr()
        return ended.value.code or 0, told.out.strip(), told.err.strip()

    return run


@pytest.fixture
def mail_id(toril):
    code, out, _ = toril("test", "welcome", "ana@example.com", "--locale", "vi")
    assert (code, out.split()[1:4]) == (0, ["is", "on", "its"])
    return out.split()[0]


def test_list_and_show(toril, mail_id):
    (row,) = json.loads(toril("list", "--to", "ANA@example.com", "--status", "pending", "--json")[1])
    assert (row["id"], row["recipient"], row["subject"][:6]) == (mail_id, "ana@example.com", "[Test]")
    assert toril("list", "--status", "failed", "--json")[1] == "[]"
    (shown,) = json.loads(toril("show", mail_id, "--json")[1])
    assert [line["event"] for line in shown["timeline"]] == ["queued"]
    assert mail_id in toril("show", mail_id)[1]
    (hour,) = json.loads(toril("stats", "--json")[1])
    assert (hour["all"], hour["pending"], hour["sent %"]) == (1, 1, None)


def test_cancel_and_retry(toril, mail_id):
    assert toril("retry", mail_id)[0] == 1
    assert toril("cancel", mail_id) == (0, f"{mail_id} is cancelled", "")
    assert toril("cancel", mail_id)[0] == 1
    assert toril("retry", mail_id) == (0, f"{mail_id} will be tried again", "")


def test_suppressions(toril):
    assert toril("suppress", "ana@example.com", "--scope", "subscribed", "--reason", "left")[1] == "suppressed"
    assert toril("suppress", "ana@example.com", "--scope", "subscribed")[1] == "it was suppressed before"
    (one,) = json.loads(toril("suppressions", "--address", "ana@example.com", "--json")[1])
    assert (one["address"], one["scope"], one["reason"]) == ("ana@example.com", "subscribed", "left")
    assert toril("unsuppress", "ana@example.com")[1] == "1 entry removed"


def test_forget(toril, mail_id):
    assert toril("forget", "ana@example.com")[1] == "1 message erased"
    (row,) = json.loads(toril("list", "--json")[1])
    assert (row["recipient"], row["status"], row["subject"]) == ("forgotten", "cancelled", "")


@pytest.mark.parametrize(
    ("arguments", "code", "fault"),
    [
        (["show", "m1"], 1, "toril: the delivery log has no mail m1"),
        (["list", "--status", "gone"], 2, "toril: status: expected one of pending, sending, sent"),
        (["list", "--status", "failed"], 1, "toril: no message matches"),
        (["test", "nothing", "ana@example.com"], 2, "toril: no message type 'nothing'"),
        (["suppress", "ana"], 2, "toril: address: expected an address"),
    ],
)
def test_what_is_wrong_is_one_line(toril, arguments, code, fault):
    *ended, told = toril(*arguments)
    assert ended == [code, ""]
    assert told.startswith(fault)
    assert "\n" not in told


def test_programs_read_what_was_done(toril, mail_id):
    def told(*arguments):
        code, out, _ = toril(*arguments, "--json")
        assert code == 0
        return json.loads(out)

    assert told("cancel", mail_id) == told("retry", mail_id) == {"id": mail_id}
    assert told("test", "welcome", "bo@example.com")["id"] != mail_id
    assert [told("suppress", "bo@example.com") for _ in range(2)] == [{"new": True}, {"new": False}]
    assert told("unsuppress", "bo@example.com") == {"count": 1}
    assert told("release") == {"count": 0}
    assert told("forget", "ana@example.com") == {"count": 1}
