"""The statements of `queries.sql` and `controls.sql` by name."""

from __future__ import annotations

import re
from importlib.resources import files

__all__ = ["SCHEMA", "SQL"]

_BLOCK = re.compile(r"^-- name: (\w+)\n(?:--[^\n]*\n)*(.*?);$", re.MULTILINE | re.DOTALL)


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


SCHEMA = _read("schema.sql")
SQL: dict[str, str] = {
    name: statement.strip()
    for file in ("queries.sql", "controls.sql")
    for name, statement in _BLOCK.findall(_read(file))
}
