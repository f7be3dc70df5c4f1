"""`toril worker` and `toril serve` as the units and the image run them: not as root, on a read-only file system."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from deployment import DOCKER, GRACE, free_port, program

from processes import TORIL, until
from redis_servers.program import missing

KEY = "k" * 40
HERE = Path(__file__).parent
pytestmark = pytest.mark.slow

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def data() -> Iterator[Path]:
    """The one folder that may be written to."""
    if sys.platform != "linux" or os.getuid():
        missing("needs root on Linux, for mounts of its own")
    program("unshare", "util-linux"), program("setpriv", "util-linux")
    folder = Path(tempfile.mkdtemp(prefix="toril-data-"))
    os.chown(folder, 10001, 10001)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start(data: Path) -> Iterator[Start]:
    """Start commands in the folder of the example, and end them."""
    started: list[subprocess.Popen[str]] = []

    def start(*command: str | Path, **env: str) -> subprocess.Popen[str]:
        known = {
            "PATH": os.environ["PATH"],
            "TORIL_URL": f"sqlite:///{data}/jobs.db",
            "TORIL_SECRET_KEYS": KEY,
            "TORIL_MAIL_URL": "console://",
            "MAIL_FROM_ADDRESS": "shop@example.com",
            "PYTHONUNBUFFERED": "1",
        }
        shown = f"{sys.base_prefix}:{HERE.parents[1]}"
        wall = ["unshare", "--mount", "sh", str(HERE / "confined.sh"), str(data), shown]
        process = subprocess.Popen(
            [*wall, *command], cwd=DOCKER, env=known | env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def answer(port: int, path: str) -> int | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=3) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def image_check(port: int) -> int:
    """Run the image's own HEALTHCHECK against a port and return its exit code."""
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", "")
    (_, _, code) = json.loads(re.search(r"^HEALTHCHECK .*? CMD (\[.*\])$", text, re.MULTILINE)[1])
    return subprocess.run([sys.executable, "-c", code.replace("3001", str(port))], check=False).returncode


def compose_check(port: int) -> int:
    """Run the health check that the compose file gives `api` and return its exit code."""
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    (_, _, _, code) = compose["services"]["api"]["healthcheck"]["test"]
    return subprocess.run([sys.executable, "-c", code.replace("8000", str(port))], check=False).returncode


async def test_the_wall_holds(start: Start, data: Path) -> None:
    code = f"""if True:
        import os, pathlib, tempfile
        print(os.getuid(), os.getgid(), os.getgroups())
        for place in ("/etc", {str(HERE)!r}, {sys.prefix!r}, "/var", "/root"):
            try:
                pathlib.Path(place, "written").touch()
            except OSError as error:
                print(place, error.strerror)
        pathlib.Path({str(data)!r}, "written").touch()
        tempfile.TemporaryFile(dir="/tmp").close()
    """
    told, _ = start(sys.executable, "-c", code).communicate(timeout=20)

    assert told.splitlines()[0] == "10001 10001 []"
    assert len(re.findall(r"Read-only file system|Permission denied", told)) == 5, told
    assert (data / "written").exists()
    assert "Traceback" not in told


async def test_a_worker_runs_jobs_and_stops_in_time(start: Start, data: Path) -> None:
    port = free_port()
    worker = start(TORIL, "worker", "shop.jobs:app", WORKER_HEALTH_CHECK_PORT=str(port))
    await until(lambda: answer(port, "/health/ready") == 200, 60)
    assert image_check(port) == 0
    code = "from shop import jobs; print(jobs.confirm_order.enqueue_sync(number=7, email='ana@example.com').id)"
    told, _ = start(sys.executable, "-c", code).communicate(timeout=60)
    assert told.strip().isdigit(), told
    await until(lambda: b'"ran": 2' in urllib.request.urlopen(f"http://127.0.0.1:{port}/health").read(), 60)

    worker.send_signal(signal.SIGTERM)
    printed, _ = await asyncio.to_thread(worker.communicate, timeout=GRACE)
    assert worker.returncode == 0, printed
    assert "--- mail to ana@example.com" in printed
    assert "alembic" not in printed
    assert image_check(port) == 1


async def test_the_web_process_serves_and_stops_in_time(start: Start) -> None:
    port = free_port()
    web = start(TORIL, "serve", "shop.jobs:app", "--port", str(port))
    await until(lambda: answer(port, "/health/ready") == 200, 60)
    assert compose_check(port) == 0
    assert answer(port, "/admin/queues/") == 200  # the way in
    assert answer(port, "/api/queues") == 401

    web.send_signal(signal.SIGTERM)
    printed, _ = await asyncio.to_thread(web.communicate, timeout=15)
    assert web.returncode in {0, -signal.SIGTERM}, printed
    assert compose_check(port) == 1
