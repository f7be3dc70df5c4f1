"""The house rules that a machine can check: imports point one way, functions and modules stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import toril

ROOT = Path(toril.__file__).parent

LAYERS = [  # each may import from itself and from those above it in this list
    {"errors", "clock", "json", "lasting", "retry", "schedule", "checks", "keep", "dedup", "budget", "job", "limits"}
    | {"options", "settings", "turn", "cipher", "filter", "secret", "masking", "finding", "log", "wording"},
    {"store"},
    {"why", "fingerprint", "forecast", "grouping", "controls", "insight"},
    {"tracing", "spans", "adding"},
    {"context", "arguments", "task", "decorators", "handle", "queue", "registry", "flow", "family", "timetable"}
    | {"events", "handlers", "sync", "scheduling", "app"},
    {"worker", "maintenance"},
    {"testing"},
    {"messaging"},
    {"web"},
    {"doctor", "recovery"},
    {"demo", "cli", "__main__"},
]
UPWARDS = {
    (
        "toril.app",
        "toril.worker",
    ): "`lifespan` and `run_pending` run a worker in this process, and import it when asked to",
}
MESSAGING_MAY_USE = {
    "toril.errors": "it raises errors of the one tree",
    "toril.clock": "its log asks the application's clock, whose protocol is no everyday name",
    "toril.turn": "its database is shared by processes in the same way",
    "toril.checks": "its options are checked as a job's are, with the same words",
    "toril.cipher": "secret fields and links are encrypted with the application's keys",
    "toril.secret": "it asks whether a context holds any",
    "toril.log": "it tells in the log what becomes of mails, in events of the one list",
    "toril.tracing": "a mail is sent in the trace in which it was accepted",
    "toril.retry": "a row's next attempt follows the same arithmetic as a job's",
}
PURE = [
    "errors",
    "clock",
    "json",
    "lasting",
    "retry",
    "schedule",
    "checks",
    "keep",
    "dedup",
    "budget",
    "job",
    "options",
]
PURE += ["filter", "why", "fingerprint", "forecast"]
IO = {"asyncio", "threading", "sqlite3", "socket", "subprocess", "logging", "os", "pathlib"}
LONG_MODULES = {
    "toril.store.sqlite.store": "a method for each verb of the seam",
}
LONGEST_MODULE, LONGEST_FUNCTION = 300, 40  # lines


class Import(NamedTuple):
    """`importer` takes `name` from `module`, or (None) imports it whole; `top`: when it is itself imported."""

    importer: str
    module: str
    name: str | None
    top: bool


def modules() -> dict[str, Path]:
    """Return the package's modules by dotted name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def walk(node: ast.AST, *, top: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """Yield the statements that run, not those for type checkers, and whether they run at import."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr) or (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            continue
        inside = top and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
        yield child, inside
        yield from walk(child, top=inside)


@cache
def imports() -> list[Import]:
    """Return every import within the package that is made at run time."""
    known, found = modules(), []
    for importer, path in known.items():
        for node, top in walk(parse(path)):
            if isinstance(node, ast.Import):
                found += [Import(importer, alias.name, None, top) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{importer}: imports are absolute"
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    module, name = (whole, None) if whole in known else (node.module, alias.name)
                    found.append(Import(importer, module, name, top))
    return [found for found in found if found.module.split(".")[0] == "toril"]


def names_imported(path: Path) -> set[str]:
    """Return the modules that a module imports at run time, the standard library's included."""
    nodes = [node for node, _ in walk(parse(path))]
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return whole | {node.module for node in nodes if isinstance(node, ast.ImportFrom)}


def layer(module: str) -> int:
    """Return the number of a module's layer; the package itself, which gathers the public names, is the last."""
    if module == "toril":
        return len(LAYERS)
    part = module.split(".")[1]
    places = [number for number, names in enumerate(LAYERS) if part in names]
    assert len(places) == 1, f"{module}: expected a place in LAYERS"
    return places[0]


def test_the_search_for_imports_finds_them():
    assert Import("toril.queue", "toril.task", "Call", top=True) in imports()
    assert Import("toril.app", "toril.worker", "Worker", top=False) in imports()
    assert not any(found.importer == "toril.task" and found.module == "toril.queue" for found in imports())


def test_imports_point_one_way():
    for module in modules():
        layer(module)
    wrong = {
        (found.importer, found.module)
        for found in imports()
        if found.module != "toril" and layer(found.module) > layer(found.importer)
    }
    assert wrong == UPWARDS.keys()


def test_no_module_imports_itself_in_a_circle():
    graph: dict[str, set[str]] = {module: set() for module in modules()}
    for found in imports():
        if found.top:
            graph[found.importer].add(found.module)
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_messaging_is_built_on_the_public_api():
    def belongs(found: Import) -> bool:
        if found.module == "toril":
            return found.name in toril.__all__
        return found.module.startswith("toril.messaging") or found.module in MESSAGING_MAY_USE

    used = [found for found in imports() if found.importer.startswith("toril.messaging")]
    assert [found for found in used if not belongs(found)] == []
    assert MESSAGING_MAY_USE.keys() <= {found.module for found in used}, "a permission that nobody needs"


def test_nothing_below_uses_the_gathered_names():
    users = {found.importer.split(".")[1] for found in imports() if found.module == "toril"}
    assert users <= LAYERS[-1] | LAYERS[-2] | LAYERS[-3] | LAYERS[-4]


@pytest.mark.parametrize("part", PURE)
def test_pure_modules_do_no_io(part):
    paths = [path for module, path in modules().items() if f"{module}.".startswith(f"toril.{part}.")]
    assert paths
    for path in paths:
        assert not names_imported(path) & IO


def test_the_seam_names_no_database():
    plain = {"__future__", "collections.abc", "dataclasses", "typing", "toril.filter", "toril.job"}
    plain |= {"toril.finding", "toril.limits", "toril.options", "toril.store.runs", "toril.store.views"}
    seam = [names_imported(modules()[f"toril.store.{part}"]) for part in ("base", "runs", "views")]
    assert set().union(*seam) == plain


def test_functions_and_modules_stay_small():
    long_modules, long_functions = set(), []
    for module, path in modules().items():
        source = path.read_text(encoding="utf-8")
        if source.count("\n") > LONGEST_MODULE:
            long_modules.add(module)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = node.end_lineno - node.lineno + 1
                if ast.get_docstring(node) is not None:
                    lines -= node.body[0].end_lineno - node.body[0].lineno + 1
                if lines > LONGEST_FUNCTION:
                    long_functions.append((module, node.name, lines))
    assert long_functions == []
    assert long_modules == LONG_MODULES.keys()
