"""The shop at work on each store, and Debian's chromium in front of it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, async_playwright
from shop_password import PASSWORD

import npm
from redis_servers.program import missing
from stores import KINDS, EmptyStore

HERE = Path(__file__).parent
PATIENCE = 60.0  # seconds until the shop answers, on a machine with much else to do
KEY = "a key for tests of 32 characters or more"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program."""
    return shutil.which("chromium") or missing("needs chromium (Debian: apt-get install chromium)")


@pytest.fixture(scope="session")
def axe() -> Path:
    """The script that judges accessibility."""
    npm.install(HERE)
    return HERE / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(params=["sqlite-file", "redis"])
def store_kind(request: pytest.FixtureRequest) -> str:
    """Each kind of store in turn, unless a test names its own."""
    kind: str = request.param
    return kind


@pytest.fixture
async def store(store_kind: str) -> AsyncIterator[EmptyStore]:
    async with KINDS[store_kind]() as store:
        yield store


@pytest.fixture
def shop(store: EmptyStore, tmp_path: Path) -> Iterator[str]:
    """The address of the dashboard of a shop at work."""
    web, mail = _free_ports()
    environment = {
        "PATH": os.environ["PATH"],
        "TORIL_URL": store.url,
        "TORIL_SECRET_KEYS": KEY,
        "TORIL_MAIL_LOG_URL": f"sqlite:///{tmp_path / 'mail.db'}",
        "TORIL_ENVIRONMENT": "development",
        "MAIL_PORT": str(mail),
        **{f"TORIL_{name.upper()}": value for name, value in store.settings().items()},
    }
    output = tmp_path / "output.txt"
    command = [sys.executable, "-m", "uvicorn", "shop:api", "--port", str(web), "--timeout-graceful-shutdown", "1"]
    with output.open("ab") as file:
        process = subprocess.Popen(command, cwd=HERE, env=environment, stdout=file, stderr=file)
    try:
        _wait(process, web, output)
        yield f"http://127.0.0.1:{web}/admin/queues"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()


@pytest.fixture
async def page(chromium: str, shop: str) -> AsyncIterator[Page]:
    """A page in the browser, on which nothing may be complained of, where somebody has logged in."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{shop}/")
        await page.get_by_label("Name").fill("maria")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Log in").click()
        await page.get_by_role("heading", name="Overview").wait_for()
        yield page
        await browser.close()
        assert complaints == []


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        for free in (one, two):
            free.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def _wait(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    give_up = time.monotonic() + PATIENCE
    while True:
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < give_up, output.read_text()
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
