"""An application in a folder of its own, its worker processes, and the commands that an operator calls."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from ledger import Ledger
from processes import TORIL, Process, Processes
from toril import Toril
from toril.messaging import Mailer
from toril.settings import Settings

SETTINGS = {"secret_keys": "a key for tests of 32 characters or more"}
WELCOME = {"name": "Ana", "link": "https://shop.example.com/start"}


class Yard:
    """The application's folder, as its operator has it before them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger(folder / "ledger")
        env = {"HERE": str(folder), "TORIL_LEASE": "1", "TORIL_SECRET_KEYS": SETTINGS["secret_keys"]}
        self._home = Path(__file__).parent
        self._processes = Processes(self._home, folder, f"sqlite:///{folder / 'jobs.db'}", folder / "ledger", **env)

    def worker(self, *queues: str) -> Process:
        """Start a worker process."""
        served = ",".join(f"{queue}=2" for queue in queues)
        return self._processes.start(TORIL, "worker", "recovery_shop:app", "--queues", served)

    def toril(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Run a command; return exit code, output and errors."""
        return self.run(TORIL, *arguments)

    def run(self, *command: str | Path) -> tuple[int, str, str]:
        """Run any program with the settings of the application."""
        done = subprocess.run(
            command,
            cwd=self._home,
            env=self._processes.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def ok(self, *arguments: str | Path) -> str:
        """Run a command that must end well and return its output."""
        code, out, err = self.toril(*arguments)
        assert code == 0, err
        return out

    def held(self) -> list[dict[str, Any]]:
        """Return the mails that are held, as the operator finds them."""
        out = self.ok("mail", "list", "recovery_shop:mailer", "--status", "unknown", "--json")
        found: list[dict[str, Any]] = json.loads(out)
        return found

    @property
    def outbox(self) -> dict[str, int]:
        """What was sent: each mail's file, and when it was written."""
        return {path.name: path.stat().st_mtime_ns for path in (self.folder / "outbox").glob("*.eml")}

    def open_gate(self) -> None:
        """Let jobs end."""
        (self.folder / "gate").touch()

    def app(self) -> tuple[Toril, Mailer]:
        """Return the application as a web process has it."""
        url = f"sqlite:///{self.folder / 'jobs.db'}"
        app = Toril(url, settings=Settings(env={}, dotenv=None, **SETTINGS))
        return app, Mailer(app, "memory://", from_address="shop@example.com")

    def end(self) -> None:
        """Kill what still lives."""
        self._processes.end()
