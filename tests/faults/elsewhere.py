"""A whole day of Toril without what only POSIX has, as on Windows: `elsewhere.py FILE`.

It cannot be Windows, but every name that is missing there is missing here too.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

MODULES = ["fcntl", "grp", "pwd", "resource", "termios", "tty", "syslog", "uvloop"]
NAMES = {
    os: ["fork", "register_at_fork", "setsid", "getuid", "geteuid", "getppid", "killpg", "mkfifo"],
    signal: ["SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "pthread_sigmask"],
}


def leave_posix() -> None:
    """Take away what Windows has not."""
    for module in MODULES:
        sys.modules[module] = None  # type: ignore[assignment]
    for module, names in NAMES.items():
        for name in names:
            delattr(module, name)
    pair, unix = socket.socketpair, socket.AF_UNIX
    socket.socketpair = lambda: pair(unix)  # Windows has it, by another family
    del socket.AF_UNIX

    def missing(*_: object) -> None:
        raise NotImplementedError

    base = asyncio.SelectorEventLoop
    for name in ("add_signal_handler", "remove_signal_handler", "add_reader", "remove_reader", "add_writer"):
        setattr(base, name, missing)  # the loop itself uses names with an underscore


if __name__ == "__main__":  # the process of a CPU-bound task may know that this is Linux
    leave_posix()

import toril  # noqa: E402
from toril.settings import Settings  # noqa: E402

app = toril.Toril(f"sqlite:///{sys.argv[-1]}", settings=Settings(env={}, dotenv=None))
ran: list[str] = []


@app.task(queue="work")
async def greet(name: str) -> str:
    ran.append(name)
    return f"hello {name}"


@app.task(queue="work")
def slow(job: toril.JobContext) -> None:
    job.log("in a thread")


@app.task(queue="work", process=True)
def crunch(number: int) -> int:
    return number * 2


async def main() -> None:
    async with app:
        job, logged, crunched = await greet.enqueue("ana"), await slow.enqueue(), await crunch.enqueue(21)
        later = await greet.using(delay=0.2).enqueue("bob")
        await toril.Worker(app, burst=True, signals=True).run()
        assert (await job.result(timeout=5), list(await logged.log())) == ("hello ana", ["in a thread"])
        assert await crunched.result(timeout=5) == 42
        worker = toril.Worker(app, signals=True)
        running = asyncio.create_task(worker.run())
        assert await later.result(timeout=10) == "hello bob"
        await greet.enqueue("eve")
        while ran[-1] != "eve":
            await asyncio.sleep(0.01)
        worker.stop()
        await running


if __name__ == "__main__":
    from toril.worker.loop import run

    greet.enqueue_sync("first")
    run(main())
    assert ran == ["first", "ana", "bob", "eve"], ran
