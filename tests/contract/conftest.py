"""The rules that every store keeps, seen from the outside: an application on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from toril import ManualClock, Toril, Worker

Work = Callable[..., Awaitable[None]]


@pytest.fixture
def app(make_app: Callable[..., Toril], clock: ManualClock) -> Toril:
    return make_app(clock)


@pytest.fixture
def work(app: Toril) -> Work:
    """Run a worker until no job is ready: `await work()`, `await work(another_app, slots=5)`."""

    async def burst(application: Toril = app, *, slots: int = 1) -> None:
        await Worker(application, dict.fromkeys(application.served_queues(), slots), burst=True).run()

    return burst
