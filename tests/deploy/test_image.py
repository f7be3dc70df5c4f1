"""The Dockerfile: what its instructions say, and the example it runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from deployment import DOCKER

TEXT = (DOCKER / "Dockerfile").read_text()
LAST = re.split(r"^FROM ", TEXT, flags=re.MULTILINE)[-1]


def instruction(name: str) -> str:
    """Return the arguments of an instruction of the last stage, its lines joined."""
    (found,) = re.findall(rf"^{name} ((?:.*\\\n)*.*)$", LAST, re.MULTILINE)
    return found.replace("\\\n", "")


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKER / "Dockerfile"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_worker_hears_sigterm_itself_and_is_not_root() -> None:
    assert json.loads(instruction("CMD")) == ["toril", "worker", "shop.jobs:app"]
    assert "ENTRYPOINT" not in TEXT
    assert instruction("STOPSIGNAL") == "SIGTERM"
    assert instruction("USER") == "10001:10001"


def test_the_last_stage_installs_nothing_and_its_base_is_pinned() -> None:
    assert not re.search(r"\b(pip|apt-get|gcc)\b", LAST)
    assert re.search(r"^ARG PYTHON=\d+\.\d+-slim-\w+$", TEXT, re.MULTILINE)


def test_secrets_stay_out_of_the_image() -> None:
    ignored = (DOCKER / ".dockerignore").read_text().split()

    assert {".env", "*.env", "*.db", ".git"} <= set(ignored)
