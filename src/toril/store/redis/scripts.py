"""The Lua scripts: each file says what it uses of `lua/lib`, and is put together once."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

__all__ = ["Script", "script"]

_USE = re.compile(r"^-- use: (.+)$", re.MULTILINE)


class Script(NamedTuple):
    """A script as Redis knows it."""

    name: str
    source: str
    sha: str


@lru_cache
def script(name: str) -> Script:
    """Return the script `lua/<name>.lua` with the parts that it uses before it, each once."""
    parts: dict[str, str] = {}
    _collect("", name, parts)
    source = "\n".join(parts.values())
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _collect(folder: str, name: str, parts: dict[str, str]) -> None:
    text = files(__package__).joinpath(f"lua/{folder}{name}.lua").read_text(encoding="utf-8")
    used = _USE.search(text)
    for other in used[1].split(", ") if used else ():
        if f"lib/{other}" not in parts:
            _collect("lib/", other, parts)
    parts[f"{folder}{name}"] = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
