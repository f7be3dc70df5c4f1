"""Random transitions, compared with a queue in plain Python after every step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from model import ENDED, Model, ModelJob

from stores import EmptyStore
from toril.job import JobState, NewJob
from toril.options import Keep, Policy
from toril.store.base import Completed, Delayed, Failed, Note, Outcome, Released, Run, WorkerInfo

T = TypeVar("T")
QUEUE, LEASE, KEEP, STALLS = "q", 10.0, 2, 1
OPTS = Policy(max_stalls=STALLS, keep_failed=Keep(KEEP)).to_json()
pick = st.integers(0, 10_000)
some = st.integers(1, 4)
priorities = st.integers(1, 3)
seconds = st.integers(1, 20)


class Machine(RuleBasedStateMachine):
    """Two workers, one queue, and people who interfere."""

    def __init__(self, tested: EmptyStore) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.tested = tested
        self.clock = tested.clock()
        self.store = tested.app(self.clock).store
        self.model = Model()
        self.runs: list[tuple[Run, ModelJob, str]] = []  # every run ever started, and who started it
        self.workers = [self.do(self.store.enrol(WorkerInfo(name, "here", 1, LEASE, {QUEUE: 4}))) for name in "ab"]
        self.model.beats = dict.fromkeys(self.workers, self.clock.monotonic() + LEASE)
        self.number = 0

    def do(self, work: Awaitable[T]) -> T:
        return self.loop.run_until_complete(_awaited(work))

    def teardown(self) -> None:
        self.do(self.tested.close())
        self.loop.close()

    # -- adding

    def _add(self, *, priority: int = 0, due: int = 0, lifo: bool = False, key: str | None = None) -> None:
        new = NewJob(QUEUE, "work", "{}", OPTS, priority, due, lifo, key)
        (job_id,) = self.do(self.store.add([new]))
        self.number += 1
        if job_id not in self.model.jobs:
            self.model.add(ModelJob(self.number, job_id, priority, due=due), self.clock.now(), lifo=lifo)

    @rule()
    def add(self) -> None:
        self._add()

    @rule(priority=priorities)
    def add_with_priority(self, priority: int) -> None:
        self._add(priority=priority)

    @rule(wait=seconds, priority=st.integers(0, 2))
    def add_delayed(self, wait: int, priority: int) -> None:
        self._add(due=self.clock.now() + wait * 1000, priority=priority)

    @rule()
    def add_lifo(self) -> None:
        self._add(lifo=True)

    @rule(priority=priorities)
    def add_lifo_with_priority(self, priority: int) -> None:
        self._add(lifo=True, priority=priority)

    @rule(key=st.sampled_from(["one", "two", "three"]))
    def add_with_own_id(self, key: str) -> None:
        self._add(key=key)

    @rule(count=some)
    def add_many(self, count: int) -> None:
        ids = self.do(self.store.add([NewJob(QUEUE, "work", "{}", OPTS)] * count))
        assert len(set(ids)) == count
        for job_id in ids:
            self.number += 1
            self.model.add(ModelJob(self.number, job_id, 0), self.clock.now())

    # -- running

    def _step(self, worker: int, outcomes: list[Outcome], want: int = 0) -> None:
        """Report and take; `outcomes` have been entered into the model already."""
        name = self.workers[worker]
        step = self.do(self.store.step(QUEUE, name, outcomes, [], want))
        taken = self.model.take(want, name, self.clock.now())
        assert [record.id for record in step.taken] == [job.id for job in taken]
        for record, job in zip(step.taken, taken, strict=True):
            self.runs.append((Run(record.id, record.starts, record.token), job, name))
            job.ended = self.clock.now()  # when active: since when

    def _current(self, index: int) -> tuple[Run, ModelJob] | None:
        """Return one of the runs that are still their jobs'."""
        live = [(run, job) for run, job, _ in self.runs if self._is_current(run, job)]
        return live[index % len(live)] if live else None

    def _is_current(self, run: Run, job: ModelJob) -> bool:
        return self.model.jobs.get(job.id) is job and job.state == "active" and job.starts == run.number

    @rule(worker=st.integers(0, 1), want=some)
    def take(self, worker: int, want: int) -> None:
        self._step(worker, [], want)

    @rule(index=pick)
    def complete(self, index: int) -> None:
        if found := self._current(index):
            run, job = found
            self.model.end(job, "completed", KEEP, self.clock.now())
            self._step(0, [Completed(run, "1", Keep(KEEP))])

    @rule(index=pick)
    def complete_and_remove(self, index: int) -> None:
        if found := self._current(index):
            run, job = found
            self.model.end(job, "completed", 0, self.clock.now())
            self._step(0, [Completed(run, "1", Keep(0))])

    @rule(index=pick)
    def complete_and_take(self, index: int) -> None:
        if found := self._current(index):
            run, job = found
            self.model.end(job, "completed", KEEP, self.clock.now())
            self._step(1, [Completed(run, "1", Keep(KEEP))], want=2)

    @rule(want=some, state=st.sampled_from(ENDED))
    def take_and_end(self, want: int, state: str) -> None:
        self._step(0, [], want)
        for run, job, _ in self.runs[-want:]:
            if self._is_current(run, job):
                self.model.end(job, state, KEEP, self.clock.now())
                done = Completed(run, "1", Keep(KEEP)) if state == "completed" else Failed(run, "no", None, Keep(KEEP))
                self._step(0, [done])
                self.clock.advance(0.001)

    @rule(want=some)
    def take_and_die(self, want: int) -> None:
        self._step(1, [], want)
        self.clock.advance(LEASE + 1)
        self.rescue()

    @rule(index=pick)
    def fail(self, index: int) -> None:
        if found := self._current(index):
            run, job = found
            self.model.end(job, "failed", KEEP, self.clock.now())
            self._step(0, [Failed(run, "no", None, Keep(KEEP))])

    @rule(index=pick, wait=seconds)
    def retry_later(self, index: int, wait: int) -> None:
        if found := self._current(index):
            run, job = found
            job.state, job.due, job.attempts = "delayed", self.clock.now() + wait * 1000, job.attempts + 1
            self._step(0, [Delayed(run, job.due, "again", None, 1)])

    @rule(index=pick)
    def retry_at_once(self, index: int) -> None:
        if found := self._current(index):
            run, job = found
            job.attempts += 1
            self.model.ready(job)
            self._step(0, [Delayed(run, 0, "again", None, 1)])

    @rule(index=pick, wait=seconds)
    def snooze(self, index: int, wait: int) -> None:
        if found := self._current(index):
            run, job = found
            job.state, job.due = "delayed", self.clock.now() + wait * 1000
            self._step(0, [Delayed(run, job.due, None, None, 0)])

    @rule(index=pick)
    def release(self, index: int) -> None:
        if found := self._current(index):
            run, job = found
            self.model.ready(job, front=True)
            self._step(0, [Released(run)])

    @rule(index=pick, kind=st.sampled_from(["completed", "failed", "delayed", "released"]))
    def report_a_run_that_is_over(self, index: int, kind: str) -> None:
        over = [run for run, job, _ in self.runs if not self._is_current(run, job)]
        if over:
            run = over[index % len(over)]
            outcome: dict[str, Outcome] = {
                "completed": Completed(run, "2", Keep(KEEP)),
                "failed": Failed(run, "late", None, Keep(KEEP)),
                "delayed": Delayed(run, self.clock.now() + 1, None, None, 1),
                "released": Released(run),
            }
            step = self.do(self.store.step(QUEUE, self.workers[0], [outcome[kind]], [], 0))
            self.model.take(0, "", self.clock.now())  # promotes
            assert list(step.refused) == [run]

    @rule(index=pick, share=st.integers(0, 100))
    def note(self, index: int, share: int) -> None:
        if found := self._current(index):
            run, job = found
            job.progress = str(share)
            job.lines.append(f"at {share}")
            self.do(self.store.step(QUEUE, self.workers[0], [], [Note(run, str(share), [f"at {share}"])], 0))
            self.model.take(0, "", self.clock.now())
            assert list(self.do(self.store.logs(QUEUE, job.id))) == job.lines

    # -- leases and time

    @rule(worker=st.integers(0, 1))
    def beat(self, worker: int) -> None:
        name = self.workers[worker]
        mine = [(run, job) for run, job, owner in self.runs if owner == name]
        lost = self.do(self.store.extend(name, [run for run, _ in mine])).lost
        assert set(lost) == {run for run, job in mine if not self._is_current(run, job)}
        self.model.beats[name] = self.clock.monotonic() + LEASE

    @rule(wait=seconds)
    def time_passes(self, wait: int) -> None:
        self.clock.advance(wait)

    @rule()
    def rescue(self) -> None:
        rescued = self.do(self.store.rescue(QUEUE))
        assert set(rescued) == self.model.rescue(self.clock.monotonic(), STALLS, self.clock.now())
        self.model.trim("failed", KEEP)

    # -- people

    @rule()
    def pause(self) -> None:
        self.do(self.store.pause(QUEUE, "ana", "because"))
        self.model.paused = True

    @precondition(lambda self: self.model.paused)
    @rule()
    def resume(self) -> None:
        self.do(self.store.resume(QUEUE))
        self.model.paused = False

    @rule(index=pick)
    def promote_one(self, index: int) -> None:
        if delayed := self.model.delayed():
            job = delayed[index % len(delayed)]
            assert list(self.do(self.store.promote(QUEUE, [job.id]))) == [job.id]
            self.model.ready(job)

    @rule()
    def promote_all(self) -> None:
        delayed = self.model.delayed()
        assert list(self.do(self.store.promote(QUEUE, None))) == [job.id for job in delayed]
        for job in delayed:
            self.model.ready(job)

    @rule(index=pick)
    def cancel_one_that_waits(self, index: int) -> None:
        others = [job for job in self.model.jobs.values() if job.state not in (*ENDED, "active")]
        if others:
            job = others[index % len(others)]
            was = job.state
            assert self.do(self.store.cancel(QUEUE, job.id, "ana")) == was
            if was != "delayed":
                self.model.leave_line(job)
            job.state, job.ended = "failed", self.clock.now()
            self.model.trim("failed", KEEP)

    @rule(index=pick)
    def remove_one(self, index: int) -> None:
        others = [job for job in self.model.jobs.values() if job.state != "active"]
        if others:
            job = others[index % len(others)]
            assert list(self.do(self.store.remove(QUEUE, [job.id], children=True))) == [job.id]
            if job.state in {"waiting", "prioritized"}:
                self.model.leave_line(job)
            del self.model.jobs[job.id]

    @rule(state=st.sampled_from(ENDED))
    def clean_what_has_ended(self, state: str) -> None:
        ended = [job.id for job in self.model.jobs.values() if job.state == state]
        cleaned = self.do(self.store.clean(QUEUE, JobState(state), self.clock.now(), 1_000, None))
        assert sorted(cleaned.ids) == sorted(ended)
        for job_id in ended:
            del self.model.jobs[job_id]

    @rule(index=pick, state=st.sampled_from(ENDED))
    def retry_one(self, index: int, state: str) -> None:
        ended = [job for job in self.model.jobs.values() if job.state == state]
        if ended:
            job = ended[index % len(ended)]
            assert list(self.do(self.store.retry(QUEUE, JobState(state), [job.id]))) == [job.id]
            self.model.ready(job)

    @rule(state=st.sampled_from(ENDED))
    def retry_all(self, state: str) -> None:
        ended = sorted((j for j in self.model.jobs.values() if j.state == state), key=lambda j: (j.ended, j.number))
        assert list(self.do(self.store.retry(QUEUE, JobState(state), None))) == [job.id for job in ended]
        for job in ended:
            self.model.ready(job)

    @rule(index=pick)
    def retry_what_has_not_ended(self, index: int) -> None:
        others = [job for job in self.model.jobs.values() if job.state not in ENDED]
        if others:
            assert not self.do(self.store.retry(QUEUE, JobState.FAILED, [others[index % len(others)].id]))

    # -- agreement

    @invariant()
    def counts_agree(self) -> None:
        info = self.do(self.store.info(QUEUE))
        assert {state.value: count for state, count in info.counts.items()} == self.model.counts()
        assert (info.paused is not None) == self.model.paused

    @invariant()
    def lines_agree(self) -> None:
        for state in ("waiting", "prioritized"):
            assert self._ids(state) == [job.id for job in self.model.in_line(state)]
        assert self._ids("delayed") == [job.id for job in self.model.delayed()]

    @invariant()
    def jobs_agree(self) -> None:
        for job in self.model.jobs.values():
            record = self.do(self.store.get(QUEUE, job.id))
            assert record is not None
            found: tuple[Any, ...] = (record.state, record.starts, record.attempts, record.stalls, record.progress)
            assert found == (job.state, job.starts, job.attempts, job.stalls, job.progress)

    def _ids(self, state: str) -> list[str]:
        page = self.do(self.store.list(QUEUE, JobState(state), 1_000, None, newest=False))
        return [record.id for record in page.jobs]


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def test_the_store_and_the_model_never_disagree(store_kind: type[EmptyStore]) -> None:
    run_state_machine_as_test(
        lambda: Machine(store_kind()),
        settings=settings(
            max_examples=80, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
