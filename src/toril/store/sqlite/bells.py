"""Waking up those who wait: in this process by an event, in others by one byte to their datagram socket.

A byte may get lost (a full buffer, a socket that could not be made): `PRAGMA data_version` every 250 ms is the net.
Where there are no Unix sockets the net is all there is, every 25 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from toril.store.sqlite.file import DatabaseFile
from toril.store.sqlite.link import Link

__all__ = ["Bells", "ring_sockets", "wait_for"]

_LONGEST = 100  # bytes of a Unix socket's path that every system takes
_UNIX: bool = hasattr(socket, "AF_UNIX") and os.name == "posix"


class Bells:
    """The bells of one event loop, by topic, and the ears with which it hears of other processes.

    Each lane has a bell of its own, which it clears before it looks, and so has each listener: none of them clears what
    another has not heard yet.
    """

    def __init__(self, file: DatabaseFile) -> None:
        self.path: str | None = None  # of the socket, once somebody listens
        self._loop = asyncio.get_running_loop()
        self.hung: set[str] = set()  # topics of which other processes know that somebody here waits for them
        self._bells: dict[str, set[asyncio.Event]] = {}
        self._lanes: dict[tuple[str, str], asyncio.Event] = {}  # of these, those of lanes
        self._socket: socket.socket | None = None
        self._net: asyncio.Task[None] | None = None
        if not file.memory:
            if _UNIX:
                self._listen(file)
            self._net = self._loop.create_task(self._watch(file.connect(), 0.25 if self._socket else 0.025))

    def lane(self, queue: str, worker: str) -> asyncio.Event:
        """Return the bell of a worker's lane."""
        bell = self._lanes.get((queue, worker))
        if bell is None:
            bell = self._lanes[queue, worker] = asyncio.Event()
            self._bells.setdefault(queue, set()).add(bell)
        return bell

    def leave(self, worker: str) -> None:
        """Take down the bells of a worker's lanes."""
        for queue, owner in [lane for lane in self._lanes if lane[1] == worker]:
            self._bells[queue].discard(self._lanes.pop((queue, owner)))

    @contextlib.contextmanager
    def own(self, topic: str) -> Iterator[asyncio.Event]:
        """Give a new bell, which is rung for the topic until the context ends."""
        bell = asyncio.Event()
        self._bells.setdefault(topic, set()).add(bell)
        try:
            yield bell
        finally:
            self._bells[topic].discard(bell)

    def ring_from_thread(self, topics: Iterable[str]) -> None:
        """Ring the bells of some topics, from any thread."""
        heard = [bell for topic in topics for bell in self._of(topic) if not bell.is_set()]
        if heard:
            with contextlib.suppress(RuntimeError):  # that loop is closed
                self._loop.call_soon_threadsafe(_set, heard)

    def close(self) -> None:
        """Stop hearing; the loop may be closed already."""
        if self._net is not None and not self._loop.is_closed():
            self._net.cancel()
        if self._socket is not None:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._socket)
            self._socket.close()
            Path(self.path or "").unlink(missing_ok=True)

    def _of(self, topic: str) -> list[asyncio.Event]:
        return list(self._bells.get(topic, ()))  # at one go: rung from threads, too

    def _ring_all(self) -> None:
        for topic in self._bells:
            _set(self._of(topic))

    def _listen(self, file: DatabaseFile) -> None:
        name = f"-{uuid.uuid4().hex[:12]}.bell"
        path = str(file.beside(name))
        if len(os.fsencode(path)) > _LONGEST:
            path = str(Path(tempfile.gettempdir()) / f"toril{name}")
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ear.setblocking(False)
        try:
            ear.bind(path)
            self._loop.add_reader(ear, self._heard)
        except (OSError, NotImplementedError):  # a file system or an event loop without them: the net does it
            ear.close()
            return
        self._socket, self.path = ear, path

    def _heard(self) -> None:
        assert self._socket is not None
        with contextlib.suppress(OSError):
            while self._socket.recv(64):
                pass
        self._ring_all()

    async def _watch(self, link: Link, interval: float) -> None:
        seen = None
        try:
            while True:
                with link as connection:
                    version = connection.execute("PRAGMA data_version").fetchone()[0]
                if seen is not None and version != seen:
                    self._ring_all()
                seen = version
                await asyncio.sleep(interval)
        finally:
            link.close()


async def wait_for(bell: asyncio.Event, seconds: float) -> None:
    """Return once the bell has been rung, or after `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await bell.wait()


def _set(bells: Iterable[asyncio.Event]) -> None:
    for bell in bells:
        bell.set()


def ring_sockets(paths: Iterable[str], gone: Callable[[str], None]) -> None:
    """Send a byte to each socket; call `gone` with those where nobody listens any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        for path in paths:
            try:
                sender.sendto(b"!", path)
            except (FileNotFoundError, ConnectionRefusedError):
                gone(path)
            except OSError:  # a full buffer: it has enough to hear
                continue
