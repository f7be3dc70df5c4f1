"""The systemd units, as systemd reads them."""

from __future__ import annotations

import re
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest
from deployment import DEPLOY, GRACE, program

from processes import TORIL

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
EXPOSED = 2.0  # of 10: what `systemd-analyze security` may find at most


class Unit(RawConfigParser):
    """A unit file, of which repeated lines are read as the last of them."""

    def optionxform(self, name: str) -> str:
        return name


def read(unit: Path) -> dict[str, str]:
    parser = Unit(strict=False)
    parser.read(unit)
    return dict(parser["Service"])


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [program("systemd-analyze", "systemd"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_reads_it_without_a_complaint(unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/shop/venv/bin/toril", str(TORIL)))
    done = analyze("verify", "--man=no", copy)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_little_is_open_to_a_task_that_misbehaves(unit: Path) -> None:
    told = analyze("security", "--offline=yes", unit).stdout

    (exposure,) = re.findall(r"exposure level for \S+: ([\d.]+)", told)
    assert float(exposure) <= EXPOSED, told


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_it_runs_as_a_user_and_is_always_started_again(unit: Path) -> None:
    service = read(unit)

    assert service["User"] == "toril"
    assert service["ProtectSystem"] == "strict"
    assert (service["Restart"], service["StateDirectory"]) == ("always", "toril")
    assert 5 * float(service["RestartSec"]) > 10, "systemd gives up after five starts within ten seconds"


def test_a_worker_has_longer_than_its_grace_and_hears_sigterm_alone() -> None:
    service = read(DEPLOY / "systemd" / "toril-worker@.service")

    assert float(service["TimeoutStopSec"]) > GRACE
    assert service["KillMode"] == "mixed"
