"""Running commands that are started anew whenever a Python file changes, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import typer

from toril.errors import MissingExtra

__all__ = ["run_reloading"]

PATIENCE = 10.0  # seconds that a command has to end before it is killed
Command = Sequence[str]


def run_reloading(commands: Sequence[Command], env: Mapping[str, str]) -> None:
    """Run `toril` commands beside each other; at a change of a Python file below this folder all start anew.

    One that ends by itself (a mistake in the code, say) waits for the next change. At Ctrl-C, SIGTERM, or when the
    terminal is closed, all are stopped and waited for. Raises MissingExtra.
    """
    try:
        import watchfiles  # noqa: F401
    except ImportError:
        raise MissingExtra("reloading", "web") from None
    asyncio.run(_supervise(commands, {**os.environ, **env}))


async def _supervise(commands: Sequence[Command], env: Mapping[str, str]) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with contextlib.suppress(NotImplementedError, AttributeError):  # Windows: Ctrl-C raises instead
            loop.add_signal_handler(getattr(signal, name), stop.set)
    changes = asyncio.create_task(_next(watch := _changes(stop)))
    while not stop.is_set():
        running = [await _start(command, env) for command in commands]
        watching = [asyncio.create_task(_tell_of_end(*one)) for one in zip(commands, running, strict=True)]
        try:
            await asyncio.wait([changes])
            if (changed := changes.result()) is not None:
                typer.echo(f"{changed} has changed: starting anew", err=True)
                changes = asyncio.create_task(_next(watch))
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*(_end(process) for process in running))


async def _changes(stop: asyncio.Event) -> AsyncIterator[str]:
    """Yield the name of a Python file each time that some have changed, until `stop` is set."""
    from watchfiles import PythonFilter, awatch

    here = Path.cwd()
    async for changed in awatch(here, watch_filter=PythonFilter(), stop_event=stop):
        yield _shown(min(changed)[1], here)


def _shown(path: str, here: Path) -> str:
    return os.path.relpath(path, here)


async def _next(changes: AsyncIterator[str]) -> str | None:
    return await anext(changes, None)


async def _start(command: Command, env: Mapping[str, str]) -> asyncio.subprocess.Process:
    # A session of its own: Ctrl-C reaches this process alone, which stops the others in order.
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "toril", *command, env=env, start_new_session=os.name == "posix"
    )


async def _tell_of_end(command: Command, process: asyncio.subprocess.Process) -> None:
    code = await process.wait()
    typer.echo(f"toril {command[0]} has ended with exit code {code}; a change starts it anew", err=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), PATIENCE)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
