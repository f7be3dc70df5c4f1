"""The public names: which there are, that each says what it is, and that importing them costs no extra."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import toril
from toril import errors

PUBLIC = [
    "Budget",
    "BudgetExceeded",
    "Call",
    "DataTooLarge",
    "Dedup",
    "Exponential",
    "Fixed",
    "Flow",
    "InvalidJob",
    "Job",
    "JobCancelled",
    "JobContext",
    "JobEvent",
    "JobFailed",
    "JobNotFound",
    "JobState",
    "Keep",
    "ManualClock",
    "PartlyAdded",
    "Queue",
    "QueueFull",
    "Rate",
    "RateLimited",
    "ResultTimeout",
    "Secret",
    "Snooze",
    "StoreUnavailable",
    "Task",
    "Toril",
    "TorilError",
    "Unrecoverable",
    "WaitForChildren",
    "Worker",
]
PYDANTIC = {"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"}
TYPER = {"annotated_doc", "attr", "markdown_it", "mdurl", "pygments", "rich", "shellingham", "typer"}
FASTAPI = {"anyio", "fastapi", "idna", "multipart", "opentelemetry", "python_multipart", "sniffio", "starlette"}
LOADED = {  # what each may import of others' packages; FastAPI looks whether some of these are there
    "import toril": PYDANTIC,
    "import sys; sys.argv = ['toril', '--help']; from toril.cli.main import main; main()": PYDANTIC | TYPER,
    "import sys; sys.argv = ['toril', 'queues']; from toril.cli.main import main; main()": (
        PYDANTIC | TYPER | FASTAPI | {"cron_descriptor", "dotenv", "pydantic_settings"}
    ),
}


def members() -> list[tuple[str, object]]:
    """Return each public name with what it stands for, and the public members of each public class."""
    found: list[tuple[str, object]] = [(name, getattr(toril, name)) for name in PUBLIC]
    for name, owner in list(found):
        own = {
            key: value
            for base in owner.__mro__
            if base.__module__.startswith("toril")
            for key, value in vars(base).items()
        }
        found += [
            (f"{name}.{key}", value)
            for key, value in own.items()
            if not key.startswith("_") and (inspect.isfunction(value) or isinstance(value, (property, staticmethod)))
        ]
    return found


def test_the_public_names_are_these_and_sorted():
    assert toril.__all__ == PUBLIC == sorted(PUBLIC)
    assert {name for name in vars(toril) if name[0].isupper()} == set(PUBLIC)  # nothing is public by accident


@pytest.mark.parametrize(("name", "thing"), members(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_public_name_says_what_it_is(name, thing):
    text = inspect.getdoc(thing) or ""
    assert text.split("\n\n")[0].rstrip().endswith("."), f"{name}: expected a sentence, found {text!r}"


@pytest.mark.parametrize(("name", "thing"), members(), ids=lambda value: value if isinstance(value, str) else "")
def test_errors_that_a_docstring_names_exist(name, thing):
    words = {word.strip(",.;:()`") for word in (inspect.getdoc(thing) or "").split()}
    named = {word for word in words if word.startswith(("Invalid", "Unknown")) or word.endswith(("Error", "NotFound"))}
    assert {word for word in named if not hasattr(errors, word) and not hasattr(toril, word)} == set(), name


def test_the_tree_of_errors_is_drawn_as_it_is():
    drawn = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if (words := line.split())[:1] and words[0] in {"*", "+", "-"}:
            depth = (len(line) - len(line.lstrip())) // 2
            path[depth:] = [words[1]]
            drawn[words[1]] = path[depth - 1] if depth else "Exception"
    real = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and kind.__module__ == errors.__name__
    }
    assert drawn == real


def test_an_error_without_a_message_says_what_it_stands_for():
    assert str(errors.NoEventLoop()).startswith("No event loop runs here: use enqueue_sync()")


@pytest.mark.parametrize("code", LOADED, ids=["import", "help", "queues"])
def test_nothing_is_imported_that_is_not_used(code, tmp_path):
    async def add() -> None:
        async with toril.Toril(f"sqlite:///{tmp_path}/jobs.db") as app:
            await app.queue("line").add("x")

    asyncio.run(add())
    told = f"import atexit, sys; before = set(sys.modules); atexit.register(lambda: print(set(sys.modules) - before)); {code}"
    env = {**os.environ, "TORIL_URL": f"sqlite:///{tmp_path}/jobs.db"}
    command = [sys.executable, "-c", told]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path, env=env)
    names = {name.partition(".")[0] for name in ast.literal_eval(done.stdout.splitlines()[-1])}
    others = {name for name in names - sys.stdlib_module_names if not name.startswith("_")}
    assert "pydantic" in others
    assert others - {"toril"} <= LOADED[code]


def test_nothing_starts_and_nothing_is_opened_before_the_first_use(tmp_path):
    code = "import threading, toril; app = toril.Toril('sqlite:///x.db'); print(threading.active_count())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path)
    assert done.stdout.split() == ["1"]
    assert list(tmp_path.iterdir()) == []


def test_the_package_says_that_it_is_typed():
    assert Path(toril.__file__).with_name("py.typed").exists()
