"""TORIL_CRASH_AT=n: the process dies after its n-th call of the store, for every n that a scenario has.

Nothing is lost, nothing that was acknowledged is undone, and every second run is that of a job whose worker died.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import defaultdict
from pathlib import Path

import crash_scenarios
import pytest
from crash_scenarios import QUEUE, RETURNS, SCENARIOS, Ledger, Place, hold, make_app

from processes import shared_kinds
from stores import EmptyStore
from toril import Job, Toril, Worker

_FORK = multiprocessing.get_context("forkserver")  # a child that has imported all in a few milliseconds
_FORK.set_forkserver_preload(
    ["crash_scenarios", "toril.worker", "toril.store.sqlite.store", "toril.store.redis.store", "toril.store.crashing"]
)
WHO = "Cancelled: by ana"
MOST = 200  # store calls of a scenario: more is one that does not end


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run once for each kind of store that several processes can share, or for those that `--store` names."""
    metafunc.parametrize("store_kind", shared_kinds(metafunc.config))


def crashed(name: str, place: Place, at: int) -> bool:
    """Play a scenario in a process of its own; return whether that died at its call `at`."""
    process = _FORK.Process(target=crash_scenarios.play, args=(name, place, at))
    process.start()
    process.join(30)
    if process.exitcode is None:
        process.kill()
        process.join()
        pytest.fail(f"{name}: hangs when it is to crash at call {at}")
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0


async def recover(store: EmptyStore, place: Place, *, scheduled: bool) -> Toril:
    """Let a healthy process rescue what was held and run what is left, delayed jobs included."""
    store.age(100)
    app = make_app(place, 200, scheduled=scheduled)
    queue = app.queue(QUEUE)
    ledger = place.ledger
    if ledger.lines("paused") and not ledger.lines("resuming"):
        assert await queue.paused() is not None
    await queue.resume()
    await app.store.rescue(QUEUE)
    for _ in range(3):
        await Worker(app, {QUEUE: 2}, burst=True).run()
        app.clock.ahead += 6  # type: ignore[attr-defined]
        store.age(6)
    return app


async def all_jobs(app: Toril) -> list[Job]:
    """Return the jobs that have ended; a schedule's next one is the only other that there may be."""
    queue = app.queue(QUEUE)
    counts = await queue.counts()
    assert (counts["ready"], counts["active"]) == (0, 0)
    ended = [job for state in ("completed", "failed") for job in (await queue.jobs(state)).jobs]
    assert counts["delayed"] == len(app.declared_schedules())
    return ended


def check(jobs: list[Job], ledger: Ledger, *, died: bool) -> None:
    """Check that each job ended as it must, and that each of its runs has a reason."""
    runs: dict[str, list[int]] = defaultdict(list)
    for job_id, starts, _ in ledger.lines("run"):
        runs[job_id].append(int(starts))
    cancelled = {words[0] for words in ledger.lines("cancelled")}
    for job in jobs:
        record = job.record
        if job.id in cancelled or record.reason == WHO:
            assert (record.state, record.reason) == ("failed", WHO)
            assert job.id in cancelled or died  # before it could hear that it was
            continue
        assert record.state == ("failed" if job.name == "fail" else "completed"), f"{job} {record.reason}"
        back = RETURNS.get(job.name, 0)
        if job.name == "hang":  # handed back, unless its worker died before it could
            back = record.starts - 1 - record.stalls
            assert back == 1 or died
        assert record.starts == 1 + back + record.stalls, job  # each run but the last one ended in a known way
        assert runs[job.id] == sorted(set(runs[job.id])), job  # none ran twice under one number
        assert runs[job.id][-1] == record.starts, job
        assert len(runs[job.id]) >= record.starts - record.stalls, (
            job
        )  # (the one that was taken by who died may not have begun)
        assert record.attempts == (2 if job.name == "retry" else 1), job
        assert record.stalls == 0 or died or ledger.lines("held"), job
        if job.name == "speak":
            assert record.progress == "0.5"


async def prepared(name: str, store: EmptyStore, place: Place) -> set[str]:
    """Make the store as a scenario expects it; return the ids of the jobs that must not get lost."""
    names = SCENARIOS[name][1]
    async with make_app(place, 0) as app:
        policies = {"retry": {"attempts": 2}}
        ids = {(await app.queue(QUEUE).add(task, **policies.get(task, {}))).id for task in names}
        if name == "rescue":
            await hold(app)
            place.ledger.write("held")
    store.age(100)
    return ids


@pytest.mark.parametrize("name", SCENARIOS)
async def test_whatever_call_is_the_last(name: str, store_kind: type[EmptyStore], tmp_path: Path) -> None:
    points = 0
    for at in range(1, MOST):
        async with store_kind() as store:
            place = Place(store.url, store.settings(), tmp_path / str(at))
            if not await is_survived(name, store, place, at):
                break
        points = at
    else:
        pytest.fail("the scenario does not end")
    assert points >= 3  # or there was nothing to crash


async def is_survived(name: str, store: EmptyStore, place: Place, at: int) -> bool:
    """Crash at a call and check what another process makes of what is left; return False if there is no such call."""
    expected = await prepared(name, store, place)
    died = crashed(name, place, at)
    app = await recover(store, place, scheduled=name == "schedules")
    try:
        jobs = await all_jobs(app)
        ledger = place.ledger
        assert expected | {words[0] for words in ledger.lines("added")} <= {job.id for job in jobs}, f"call {at}"
        if name == "schedules":
            assert len(jobs) == 1  # one tick was due
        check(jobs, ledger, died=died)
    finally:
        await app.close()
    return died
