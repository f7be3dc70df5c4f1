"""Each extra installs all that its part imports: a part runs with what it asks for, and nothing else of the machine's."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
BLOCKED = """
import sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
import {module}
"""


def needed(requirements: list[str], extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> Iterator[str]:
    """Yield the names of all distributions that some requirements install."""
    for line in requirements:
        requirement = Requirement(line)
        name, more = canonicalize_name(requirement.name), frozenset(requirement.extras)
        asked = [{"extra": extra} for extra in extras] or [{"extra": ""}]
        if requirement.marker and not any(requirement.marker.evaluate(one) for one in asked):
            continue
        if (name, more) in seen:
            continue
        seen.add((name, more))
        yield name
        try:
            yield from needed(below(name, more), more, seen)
        except PackageNotFoundError:  # of another platform
            continue


def below(name: str, extras: frozenset[str]) -> list[str]:
    if name != "toril":
        return requires(name) or []
    return [line for extra in extras for line in PROJECT["optional-dependencies"][extra]]


@pytest.mark.parametrize(
    ("extra", "module"),
    [
        ("", "toril, toril.worker, toril.cli.main"),
        ("redis", "toril.store.redis.store"),
        ("mail", "toril.messaging"),
        ("web", "toril.web.server, toril.cli.main"),
    ],
)
def test_a_part_needs_no_more_than_its_extra_installs(extra: str, module: str) -> None:
    chosen = PROJECT["dependencies"] + ([f"toril[{extra}]"] if extra else [])
    installed = {*needed(chosen, frozenset(), set()), "toril", "pip", "setuptools"}
    others = {
        package
        for package, owners in packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & installed
    }
    assert "pytest" in others
    code = BLOCKED.format(names=others, module=module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
