"""What runs beside the lanes is wanted for as long as the worker runs."""

from __future__ import annotations

import asyncio

import pytest

from toril.worker import services


@pytest.mark.parametrize("error", [RuntimeError("no luck"), asyncio.CancelledError("no luck")])
async def test_a_service_that_ends_by_itself_is_started_again_until_the_worker_ends(monkeypatch, caplog, error) -> None:
    monkeypatch.setattr(services, "FIRST_PAUSE", 0.0)
    runs = 0
    runs_well = asyncio.Event()

    async def service() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise error
        runs_well.set()
        await asyncio.sleep(60)

    running = asyncio.create_task(services.keep_running(service))
    async with asyncio.timeout(5):
        await runs_well.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (runs, "no luck" in caplog.text) == (2, True)
