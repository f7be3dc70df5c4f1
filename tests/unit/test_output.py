"""Tables on a terminal: folded to its width, but no id and no figure loses a character."""

from __future__ import annotations

import sys

import pytest

from toril.cli.output import show


@pytest.fixture
def table(capsys, monkeypatch):
    """Return the lines of a table as a terminal of 60 columns gets them."""

    def lines(rows, **options):
        monkeypatch.setenv("COLUMNS", "60")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        show(rows, as_json=False, **options)
        return capsys.readouterr().out.splitlines()

    return lines


def test_long_text_is_folded_between_words_and_the_id_stays_whole(table):
    lines = table([{"id": "t1m8c42y0d0kja4vewgz", "found": "a server that says more than fits into the line"}])
    assert lines[1].startswith("t1m8c42y0d0kja4vewgz  a server that")
    assert len(lines) > 2
    assert all(len(line) <= 60 for line in lines[1:])


def test_of_a_column_that_is_cut_the_beginning_is_shown_in_one_line(table):
    lines = table([{"id": "t1m8c42y0d0kja4vewgz", "reason": "ConnectionError: " + "refused " * 20}], cut="reason")
    assert len(lines) == 2
    assert lines[1].startswith("t1m8c42y0d0kja4vewgz  ConnectionError: refused")
    assert (len(lines[1]), lines[1][-1]) == (60, "…")


def test_figures_that_do_not_fit_run_on(table):
    row = {f"state {number}": 1_000_000 + number for number in range(8)}
    (_, line) = table([row])
    assert line.split() == [f"{value:,}" for value in row.values()]


def test_what_would_steer_the_terminal_is_shown_as_text(table):
    assert r"\x1b[2J" in table([{"id": "\x1b[2J"}])[1]
