"""Users' code under mypy (strict) and pyright: right code is clean (`api.py`), wrong code flagged (`mistakes.py`)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
FILES = [str(HERE / "api.py"), str(HERE / "mistakes.py")]
MARK = re.compile(r"# flagged: ([\w-]+), (\w+)$")

Flags = dict[tuple[str, int], set[str]]  # rules by file and line


def run(*command: str) -> str:
    """Return what a checker prints; it exits with 1 when it has flagged something."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=HERE)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def mypy(pytestconfig: pytest.Config) -> Flags:
    cache = pytestconfig.cache.mkdir("mypy")
    output = run(
        sys.executable, "-m", "mypy", "--config-file=", "--strict", "--output=json", f"--cache-dir={cache}", *FILES
    )  # fmt: skip
    flags: Flags = defaultdict(set)
    for line in output.splitlines():
        if line.startswith("{"):
            found = json.loads(line)
            if found["severity"] == "error":
                flags[Path(found["file"]).name, found["line"]].add(found["code"])
    return flags


@pytest.fixture(scope="module")
def pyright() -> Flags:
    output = run(sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *FILES)
    report = json.loads(output)
    assert report["summary"]["filesAnalyzed"] == len(FILES)
    flags: Flags = defaultdict(set)
    for found in report["generalDiagnostics"]:
        flags[Path(found["file"]).name, found["range"]["start"]["line"] + 1].add(found.get("rule", "syntax"))
    return flags


def expected(checker: int) -> dict[tuple[str, int], str]:
    """Return the rules that the comments of `mistakes.py` name, by line, of the first or the second checker."""
    lines = (HERE / "mistakes.py").read_text(encoding="utf-8").splitlines()
    marks = {number: match for number, line in enumerate(lines, 1) if (match := MARK.search(line))}
    assert len(marks) == sum("flagged:" in line for line in lines)
    return {("mistakes.py", number): match[checker] for number, match in marks.items()}


@pytest.mark.parametrize(("name", "checker"), [("mypy", 1), ("pyright", 2)])
def test_right_code_is_clean_and_wrong_code_flagged_where_it_is_wrong(request, name, checker):
    flags: Flags = request.getfixturevalue(name)
    rules = expected(checker)
    assert len(rules) > 20
    assert flags.keys() == rules.keys(), f"not flagged: {rules.keys() - flags.keys()}; flagged: {flags}"
    missing = {place: (rule, flags[place]) for place, rule in rules.items() if rule not in flags[place]}
    assert missing == {}
