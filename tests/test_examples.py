"""The examples of the documents: those that are whole programs run as they stand, the others can at least be read."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
EXAMPLES = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in sorted(DOCS.glob("*.md"))
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.DOTALL)


def run(folder: Path, *command: str) -> str:
    """Run Python with every warning an error; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("block", EXAMPLES)
def test_each_is_python_and_what_it_imports_of_toril_is_there(block: str) -> None:
    tree = compile(block, "example", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "toril":
            module = importlib.import_module(node.module or "")
            assert [name.name for name in node.names if not hasattr(module, name.name)] == []


def test_the_flow_and_the_children_at_run_time(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("\n".join(blocks("flows")))
    drive = """
import asyncio, shop
async def main():
    async with shop.app:
        imports = await shop.import_file.enqueue("orders.csv")
        asking = asyncio.create_task(shop.handler())
        while not (await shop.app.queue("reports").counts())["waiting-children"]:
            await asyncio.sleep(0.01)
        await shop.app.run_pending()
        await asking
        print(await imports.result())
asyncio.run(main())
"""
    assert run(tmp_path, "-c", drive) == "2027-03: 4500 rows, 0 parts failed\n300\n"


def test_the_schedules(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("\n".join(blocks("schedules")))
    drive = """
import asyncio, shop
async def main():
    async with shop.app:
        await shop.app.run_pending()
        await shop.subscribe(7)
        print([(found.id, found.missed, found.data) for found in await shop.app.schedules()])
asyncio.run(main())
"""
    assert run(tmp_path, "-c", drive) == (
        "[('remind', 'once', {}), ('report-7', 'once', {'customer': 7}), ('sweep', 'skip', {})]\n"
    )


def test_the_tests_of_an_application(tmp_path: Path) -> None:
    conftest, tests = blocks("testing")
    shop = """
from toril import Toril
app = Toril("sqlite:////nowhere/at/all.db")
@app.task
async def welcome(to: str) -> None:
    await remind.using(delay=86_400).enqueue(to)
@app.task
async def remind(to: str) -> None: ...
async def sign_up(to: str) -> None:
    await welcome.enqueue(to)
"""
    ini = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\naddopts = -p no:valkey\n"
    for name, text in (("pytest.ini", ini), ("shop/jobs.py", shop), ("conftest.py", conftest), ("test_shop.py", tests)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert "1 passed" in run(tmp_path, "-m", "pytest", "-q")
