"""What commands print: a table for people, or JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

__all__ = ["show"]

_ANY_WIDTH = 10_000


def show(rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    """Print `rows`, whose keys are the columns, as a table; with `as_json` as one JSON array of objects.

    A table is folded to the terminal's width; into a pipe or file each row goes as one line.
    """
    if as_json:
        print(json.dumps([dict(row) for row in rows], ensure_ascii=False, indent=2, default=str))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in rows[0] if rows else ():
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_printable(value)) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else _ANY_WIDTH).print(table)


def _printable(value: object) -> str:
    """Return the value as text in which nothing can steer a terminal."""
    text = "" if value is None else str(value)
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
