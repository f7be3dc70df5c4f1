"""Kill a backup or a restore with -9 at each moment at which something becomes lasting: `killed.py COMMAND FILE`.

Prints how many moments there were; ends with an AssertionError if one of them leaves what must not be.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from toril.cli import main, recovery  # noqa: F401  (imported once, before the first fork)
from toril.recovery import verify

COMMAND, FILE = sys.argv[1], Path(sys.argv[2])
JOBS, LOG = (Path(os.environ["HERE"]) / name for name in ("jobs.db", "jobs-mail.db"))


def kill_at(last: int) -> None:
    """Let this process end at its n-th lasting moment."""
    moments = iter(range(1, 1_000))

    def deadly(function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            if next(moments) == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        return call

    os.fsync, Path.rename = deadly(os.fsync), deadly(Path.rename)  # type: ignore[method-assign]


def run(last: int) -> int:
    """Run the command in a process of its own, killed at that moment; return its exit code."""
    pid = os.fork()
    if not pid:
        kill_at(last)
        sys.argv[1:] = [
            COMMAND,
            str(FILE),
            "--app",
            "recovery_shop:app",
            *(["--force"] if COMMAND == "restore" else []),
        ]
        try:
            main.main()
        except SystemExit as end:
            os._exit(int(end.code or 0))
        finally:
            os._exit(70)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as link:
        return link.execute(query).fetchall()


def check() -> None:
    """Whatever has its name is whole, and lets nothing out."""
    if COMMAND == "backup":
        if FILE.exists():
            assert len(verify(FILE).parts) == 2
            FILE.unlink()
        return
    if JOBS.exists():
        assert rows(JOBS, "SELECT name FROM queue WHERE id > 0 AND paused IS NULL") == []
    if LOG.exists():
        assert rows(LOG, "SELECT id FROM email_logs WHERE status != 'unknown'") == []


for path in (JOBS, LOG) if COMMAND == "restore" else ():
    path.unlink()  # what was there before is not what is looked at
moment = 1
while (code := run(moment)) == -signal.SIGKILL:
    check()
    moment += 1
assert code == 0, code
assert FILE.exists()
check()
sys.stdout.write(f"{moment}\n")
