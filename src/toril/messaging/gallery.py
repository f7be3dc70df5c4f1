"""Samples as files that a browser shows: one mail, or all of them with a page that leads to each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2

from toril.messaging.preview import Preview

__all__ = ["write_gallery", "write_one"]

_PAGE = Path(__file__).with_name("gallery.html")


def write_one(shown: Preview, path: Path) -> None:
    """Write a mail's HTML to `path` and its text beside it, as `.txt`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(shown.html, encoding="utf-8")
    path.with_suffix(".txt").write_text(f"{shown.subject}\n\n{shown.text}\n", encoding="utf-8")


def write_gallery(shown: Sequence[Preview], folder: Path) -> Path:
    """Write `TYPE.LOCALE.html` and `.txt` of each mail, and return the page that shows them all."""
    for one in shown:
        write_one(one, folder / f"{one.kind.name}.{one.locale}.html")
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        _PAGE.read_text(encoding="utf-8")
    )
    names = list(dict.fromkeys(one.kind.name for one in shown))
    groups = [(name, [one for one in shown if one.kind.name == name]) for name in names]
    index = folder / "index.html"
    index.write_text(page.render(groups=groups, first=shown[0]), encoding="utf-8")
    return index
