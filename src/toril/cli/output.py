"""What commands print: a table for people, or JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

import typer

__all__ = ["fail", "printable", "say", "show", "show_found", "show_json"]

Row = Mapping[str, object]
_ANY_WIDTH = 10_000
_LEAST, _SHORT = 20, 12  # characters: left of a column that is cut; of a column that is not folded
_UNBROKEN = 40  # characters of a first column that is never folded: a name or an id


def show(rows: Sequence[Row], *, as_json: bool, cut: str | None = None) -> None:
    """Print `rows`, whose keys are the columns, as a table; with `as_json` as one JSON array of objects.

    A table is folded to the terminal's width, but for the column `cut`, of which only the beginning is shown; into a
    pipe or file each row goes whole, as one line.
    """
    if as_json:
        show_json([dict(row) for row in rows])
    elif rows:
        _table(rows, cut)


def show_found(
    rows: Sequence[Row], *, as_json: bool, nothing: str, document: object | None = None, cut: str | None = None
) -> None:
    """Print what was looked for as `show` does; if there is none, say `nothing` on stderr and end with exit code 1.

    document: what is printed as JSON in place of the rows.
    """
    if as_json and document is not None:
        show_json(document)
    else:
        show(rows, as_json=as_json, cut=cut)
    if not rows:
        fail(nothing)


def show_json(document: object) -> None:
    """Print JSON, in lines that a person can read, too."""
    print(json.dumps(document, ensure_ascii=False, indent=2, default=str))


def say(text: str, document: object, *, as_json: bool) -> None:
    """Print what was done as a sentence, with `as_json` as a document."""
    if as_json:
        show_json(document)
    else:
        typer.echo(text)


def fail(text: str) -> NoReturn:
    """Say on stderr what was not there or could not be done, and end with exit code 1."""
    typer.echo(f"toril: {text}", err=True)
    raise typer.Exit(1)


def printable(value: object) -> str:
    """Return the value as text of one line in which nothing can steer a terminal."""
    text = "" if value is None else str(value)
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _table(rows: Sequence[Row], cut: str | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = {name: [_cell(row[name]) for row in rows] for name in rows[0]}
    widths = {name: max(map(len, [name, *cells])) for name, cells in columns.items()}
    whole = {name for number, name in enumerate(columns) if widths[name] <= (_SHORT if number else _UNBROKEN)}
    width = Console().width if sys.stdout.isatty() else _ANY_WIDTH
    if cut is not None:
        room = max(width - sum(widths[name] + 2 for name in columns if name != cut), _LEAST)
        columns[cut] = [text if len(text) <= room else f"{text[: room - 1]}…" for text in columns[cut]]
    least = sum((widths[name] if name in whole else _SHORT) + 2 for name in columns)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        right = all(isinstance(row[name], (int, float)) for row in rows)
        table.add_column(
            name.replace("_", " "), overflow="fold", no_wrap=name in whole, justify="right" if right else "left"
        )
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, cells))
    # Where it does not fit, lines run on: a figure must not lose a digit. Without a height, TERM=dumb is 80 columns.
    console = Console(width=max(width, least), height=len(rows))
    with console.capture() as drawn:
        console.print(table)
    for line in drawn.get().splitlines():
        print(line.rstrip())


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else printable(value)
