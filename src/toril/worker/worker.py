"""A worker: lanes, a heartbeat, services; how they start, and in which order they stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
import uuid
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from toril.checks import seconds, whole
from toril.errors import ConfigurationError, StoreUnavailable
from toril.log import STORE_AT_RISK, WORKER_GOES_ON, WORKER_STARTED, WORKER_STOPPED, WORKER_WAITING
from toril.maintenance.cleaner import Cleaner
from toril.maintenance.rescuer import Rescuer
from toril.store.views import WorkerInfo
from toril.worker.announcer import Announcer
from toril.worker.executor import Executor
from toril.worker.health import serving_health
from toril.worker.heartbeat import Heartbeat
from toril.worker.lane import Lane, pauses
from toril.worker.lanes import Lanes
from toril.worker.metering import meter_for
from toril.worker.processes import Processes
from toril.worker.services import keep_running
from toril.worker.threads import Threads
from toril.worker.watchdog import watch

if TYPE_CHECKING:
    from toril.app import Toril

__all__ = ["Worker"]


class Worker:
    """Takes jobs of some queues and runs them.

    queues: slots (jobs at once) by queue; None: every queue that the application's tasks name, with its own `slots`.
    burst: end when no job is ready any more (delayed ones stay) instead of waiting for more.
    grace: seconds that running jobs have to end when the worker is stopped; None: the application's setting.
    signals: stop on SIGTERM and SIGINT, and end a process whose loop no longer turns; False inside a server that
        does so itself.

    Raises ConfigurationError, InvalidOption.
    """

    def __init__(
        self,
        app: Toril,
        queues: Mapping[str, int] | None = None,
        *,
        burst: bool = False,
        grace: float | None = None,
        signals: bool = False,
    ) -> None:
        self.app = app
        self.queues = _checked(app, queues)
        self.name = uuid.uuid4().hex
        grace = app.settings.grace if grace is None else seconds("grace", grace)
        self._burst = burst
        self._signals = signals
        slots, limits = sum(self.queues.values()), app.settings
        self._threads = Threads(slots, self.stop)
        self._processes = Processes(slots, limits.process_max_jobs, limits.process_max_rss)
        executor = Executor(app, self._threads, self._processes)
        lanes = [Lane(app.store, name, slots, executor, app.clock, burst=burst) for name, slots in self.queues.items()]
        self._lanes = Lanes(app.store, lanes, grace=grace, burst=burst)
        self._forgotten = asyncio.Event()
        self.enrolled = False
        """Whether the store has come to know it."""

    def stop(self) -> None:
        """Take no more jobs; `run` returns once what runs has ended or `grace` is over."""
        self._lanes.stop()

    async def run(self) -> None:
        """Run until stopped (in a burst: until no job is ready).

        A store that does not answer is waited for, but not by a burst, which raises StoreUnavailable. Raises what
        else keeps it from starting, such as StoreRefused, and ConfigurationError if it has run before. Cancelled, it
        hands back at once what runs.
        """
        if self.enrolled:
            raise ConfigurationError("run: this worker has run: make another")
        with serving_health(self, self.app.settings.worker_health_check_port if self._signals else None):
            token = await self._enrolled()
            if token is not None:
                await self._work(token)

    async def _work(self, token: str) -> None:
        self.enrolled = True
        if not self._burst:
            await self._warn()
        announcer = Announcer(self.app) if Announcer.is_wanted(self.app) else None
        self._lanes.tell(announcer, meter_for(self.app))
        rescuer = Rescuer(self.app.store, list(self.queues), announcer.stalled if announcer else None)
        heartbeat = Heartbeat(
            self.app.store,
            self.app.settings.lease,
            self._lanes.runs,
            self._lanes.hear,
            rescuer.sweep,
            self._forgotten.set,
        )
        heartbeat.start(token)
        WORKER_STARTED(worker=self.name, queues=",".join(self.queues))
        try:
            async with self._beside(heartbeat):
                await self._lanes.run(token)
        finally:  # the heartbeat stops last: leases hold until every outcome is in
            await heartbeat.stop()
            if announcer is not None:
                await announcer.stop()
            self._threads.close()
            await asyncio.to_thread(self._processes.close)
            with contextlib.suppress(StoreUnavailable):  # then its lease runs out
                await self.app.store.leave(token)
            WORKER_STOPPED(worker=self.name, ran=self.ran)

    async def _enrolled(self) -> str | None:
        """Enter the registry as soon as the store answers; None: the worker was stopped before."""
        for number, pause in enumerate(pauses()):
            if self._lanes.stopping.is_set():
                break
            try:
                await self.app.store.open()
                await self.app.put_schedules()
                token = await self.app.store.enrol(self._info())
            except StoreUnavailable as error:
                if self._burst:
                    raise
                (WORKER_WAITING.again if number else WORKER_WAITING)(error=error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._lanes.stopping.wait(), pause)
            else:
                if number:
                    WORKER_GOES_ON()
                return token
        return None

    @property
    def stuck(self) -> int:
        """How many tasks go on though their jobs were handed back: threads, and coroutines that refuse to end."""
        return self._threads.busy + self._lanes.refusing

    @property
    def running(self) -> int:
        """How many jobs run here now."""
        return len(self._lanes.runs())

    @property
    def stopping(self) -> bool:
        """Whether it takes no more jobs."""
        return self._lanes.stopping.is_set()

    @property
    def silence(self) -> Mapping[str, float]:
        """Seconds since each queue's lane last heard from the store; 0 while it has no free slot."""
        return self._lanes.silence

    @property
    def ran(self) -> int:
        """How many runs have ended here."""
        return self._lanes.ran

    @property
    def poll_age(self) -> float:
        """Seconds since the store has answered that one of its queues which has waited longest: a worker's health."""
        return max(self._lanes.silence.values())

    async def _warn(self) -> None:
        """Say what is wrong with the store: it may lose jobs. `toril doctor` says more."""
        with contextlib.suppress(StoreUnavailable):
            for part, verdict, found, advice in await self.app.store.examine():
                if verdict == "wrong":
                    STORE_AT_RISK(part=part, found=found, advice=advice)

    async def _declare_again(self) -> None:
        """Put the schedules that code declares whenever the store had forgotten this worker: it has come back empty."""
        while True:
            await self._forgotten.wait()
            await self.app.put_schedules()
            self._forgotten.clear()

    @contextlib.asynccontextmanager
    async def _beside(self, heartbeat: Heartbeat) -> AsyncIterator[None]:
        """Run the services, the watchdog and the signal handlers while the lanes run."""
        loop = asyncio.get_running_loop()
        own = [Cleaner(self.app.store, list(self.queues)).run, self._declare_again]
        services = [*own, *self.app.services_for(self.queues)]
        helpers = [asyncio.create_task(keep_running(run)) for run in services]
        handled: list[signal.Signals] = []
        if self._signals and threading.current_thread() is threading.main_thread():
            helpers.append(asyncio.create_task(watch(self._patience, partial(self._silence, heartbeat))))
            for number in (signal.SIGTERM, signal.SIGINT):
                with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises instead
                    loop.add_signal_handler(number, self.stop)
                    handled.append(number)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    def _info(self) -> WorkerInfo:
        return WorkerInfo(self.name, socket.gethostname(), os.getpid(), self.app.settings.lease, self.queues)

    def _silence(self, heartbeat: Heartbeat) -> float:
        """Return the seconds for which a lane has heard nothing of a store that answers the heartbeat."""
        return self.poll_age if heartbeat.in_contact else 0.0

    def _patience(self) -> float:
        """Return the seconds for which the event loop may stand still."""
        timeouts = (task.policy.timeout for task in self.app.tasks.values() if task.queue.name in self.queues)
        return max(self.app.settings.loop_patience, *(2 * (timeout or 0.0) for timeout in timeouts), 0.0)


def _checked(app: Toril, queues: Mapping[str, int] | None) -> dict[str, int]:
    """Return the slots of each queue to serve."""
    if queues is None:
        queues = {name: app.queue(name).slots for name in app.served_queues()}
    elif not isinstance(queues, Mapping):
        raise ConfigurationError(f"queues: expected slots by queue, such as {{'emails': 5}}, got {queues!r}")
    if not queues:
        raise ConfigurationError("queues: expected at least one; the application has no task")
    for name, slots in queues.items():
        app.queue(name)  # its name is checked
        whole(1)(f"queues[{name!r}]", slots)
    return dict(queues)
