"""Random transitions, compared with a queue in plain Python after every step."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable
from typing import Any, TypeVar, get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from model import ENDED, Link, Model, ModelJob

from stores import EmptyStore, SqliteMemory
from toril.errors import WrongState
from toril.job import IfFailed, JobState, NewJob, Node
from toril.options import Keep, Policy
from toril.store.runs import Awaiting, Completed, Delayed, Failed, Note, Outcome, Released, Run
from toril.store.views import ScheduleRecord, WorkerInfo

T = TypeVar("T")
QUEUE, KEEP, STALLS = "q", 3, 1
LEASE = 10.5  # seconds; time passes in whole ones, so that nothing hangs on a moment
POLICIES: tuple[IfFailed, ...] = get_args(IfFailed)
pick = st.integers(0, 10_000)
some = st.integers(1, 4)
priorities = st.integers(1, 3)
seconds = st.integers(1, 20)
policies = st.sampled_from(POLICIES)
families = st.lists(policies, min_size=1, max_size=3)
own_ids = st.sampled_from(["one", "two", "three"])


def options(if_failed: IfFailed = "wait", delay: float = 0.0) -> str:
    return Policy(max_stalls=STALLS, keep_failed=Keep(KEEP), if_failed=if_failed, delay=delay).to_json()


class Machine(RuleBasedStateMachine):
    """Two workers, one queue, flows, a schedule, and people who interfere."""

    def __init__(self, tested: EmptyStore) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.tested = tested
        self.clock = tested.clock()
        self.store = tested.app(self.clock).store
        self.model = Model(self.clock, KEEP, STALLS, LEASE, bullmq=tested.bullmq)
        self.real = time.monotonic()
        self.runs: list[tuple[Run, ModelJob, str]] = []  # every run ever started, and who started it
        self.workers = [self.do(self.store.enrol(WorkerInfo(name, "here", 1, LEASE, {QUEUE: 4}))) for name in "ab"]
        self.model.beats = dict.fromkeys(self.workers, self.clock.monotonic() + LEASE)

    def do(self, work: Awaitable[T]) -> T:
        return self.loop.run_until_complete(_awaited(work))

    def teardown(self) -> None:
        self.do(self.tested.close())
        self.loop.close()

    # -- adding

    def _add(self, *, priority: int = 0, due: int = 0, lifo: bool = False, key: str | None = None) -> None:
        new = NewJob(QUEUE, "work", "{}", options(), priority, due, lifo, key)
        (job_id,) = self.do(self.store.add([new]))
        if job_id not in self.model.jobs:
            self.model.add(job_id, priority, due, lifo=lifo)

    @rule()
    def add(self) -> None:
        self._add()

    @rule(priority=priorities)
    def add_with_priority(self, priority: int) -> None:
        self._add(priority=priority)

    @rule(wait=seconds, priority=st.integers(0, 2))
    def add_delayed(self, wait: int, priority: int) -> None:
        self._add(due=self.clock.now() + wait * 1000, priority=priority)

    @rule(priority=st.integers(0, 2))
    def add_lifo(self, priority: int) -> None:
        self._add(lifo=True, priority=priority)

    @rule(key=own_ids)
    def add_with_own_id(self, key: str) -> None:
        self._add(key=key)

    @rule(count=some)
    def add_many(self, count: int) -> None:
        ids = self.do(self.store.add([NewJob(QUEUE, "work", "{}", options())] * count))
        assert len(set(ids)) == count
        for job_id in ids:
            self.model.add(job_id)

    # -- flows

    def _children(self, parent: ModelJob, ids: list[str], family: list[IfFailed]) -> None:
        for job_id, policy in zip(ids, family, strict=True):
            self.model.link(parent, self.model.add(job_id), policy)

    @staticmethod
    def _nodes(family: list[IfFailed], parent: int | None) -> list[Node]:
        return [Node(NewJob(QUEUE, "part", "{}", options(policy)), parent) for policy in family]

    @rule(family=families, priority=st.integers(0, 2), delay=st.sampled_from([0, 0, 5]))
    def add_flow(self, family: list[IfFailed], priority: int, delay: int) -> None:
        due = self.clock.now() + delay * 1000 if delay else 0
        root = Node(NewJob(QUEUE, "whole", "{}", options(delay=delay), priority, due), None)
        first, *ids = self.do(self.store.add_flow([root, *self._nodes(family, 0)], None))
        parent = self.model.add(first, priority)
        parent.delay = delay * 1000
        self.model.await_children(parent)
        self._children(parent, ids, family)

    @rule(above=policies, family=families)
    def add_flow_of_two_levels(self, above: IfFailed, family: list[IfFailed]) -> None:
        root, middle = Node(NewJob(QUEUE, "whole", "{}", options()), None), self._nodes([above], 0)
        ids = self.do(self.store.add_flow([root, *middle, *self._nodes(family, 1)], None))
        parent, child = self.model.add(ids[0]), self.model.add(ids[1])
        for job in (parent, child):
            self.model.await_children(job)
        self.model.link(parent, child, above)
        self._children(child, ids[2:], family)

    @rule(index=pick, family=families)
    def add_children_to_a_run(self, index: int, family: list[IfFailed]) -> None:
        if found := self._current(index):
            run, job = found
            ids = self.do(self.store.add_flow(self._nodes(family, None), (QUEUE, run)))
            self._children(job, ids, family)

    @rule(index=pick, key=own_ids, policy=policies)
    def let_a_run_adopt(self, index: int, key: str, policy: IfFailed) -> None:
        if found := self._current(index):
            run, job = found
            child = self.model.jobs.get(key)
            if key in job.links:
                return
            adding = self.store.add_flow(
                [Node(NewJob(QUEUE, "part", "{}", options(policy), id=key), None)], (QUEUE, run)
            )
            parent = None if child is None else self.model.named_parent(child)
            if child is not None and ((parent is not None and parent is not job) or self._is_above(child, job)):
                with pytest.raises(WrongState):
                    self.do(adding)
                return
            assert self.do(adding) == [key]
            self.model.link(job, child or self.model.add(key), policy)

    def _is_above(self, job: ModelJob, other: ModelJob | None) -> bool:
        """Return whether `other` is the job, or below it."""
        while other is not None:
            if other is job:
                return True
            other = self.model.named_parent(other)
        return False

    @rule(index=pick, family=st.lists(policies, max_size=2))
    def wait_for_children(self, index: int, family: list[IfFailed]) -> None:
        if found := self._current(index):
            run, job = found
            step = self.do(self.store.step(QUEUE, self.workers[0], [Awaiting(run, self._nodes(family, None))], [], 0))
            assert not step.refused
            new = (found for found in self._all_ids() if found not in self.model.jobs)
            known = sorted(new, key=lambda job_id: (len(job_id), job_id))
            self._children(job, known, family)
            if job.waits and not job.deferred:
                self.model.await_children(job)
            else:
                self.model.ready(job, front=True)
            self.model.take(0, "")  # promotes

    def _all_ids(self) -> list[str]:
        return [job_id for state in ("waiting", "prioritized", "delayed") for job_id in self._ids(state)]

    @rule(index=pick, again=st.booleans())
    def fail_a_child(self, index: int, again: bool) -> None:
        """Let a child fail that its parent waits for, and (`again`) somebody retry it."""
        self._step(0, [], 4)
        live = [found for found in self.runs if self._is_current(*found[:2]) and self._link(found[1]) is not None]
        if live:
            run, job, _ = live[index % len(live)]
            job.attempts += 1
            self.model.fail(job)
            self._step(0, [Failed(run, "no", None, Keep(KEEP))])
            if again and self.model.is_there(job):
                assert list(self.do(self.store.retry(QUEUE, JobState.FAILED, [job.id]))) == [job.id]
                self.model.retry([job])

    def _link(self, job: ModelJob) -> Link | None:
        """Return what a parent that is there knows of a job."""
        return job.parent.links.get(job.id) if job.parent is not None and self.model.is_there(job.parent) else None

    @rule(index=pick)
    def detach(self, index: int) -> None:
        if job := self._any(index):
            link = self._link(job)
            waited_for = link is not None and link.state == "pending"
            assert self.do(self.store.detach(QUEUE, job.id)) is waited_for
            if waited_for and job.parent is not None:
                self.model.detach(job, job.parent)

    @rule(index=pick)
    def remove_unprocessed_children(self, index: int) -> None:
        if job := self._any(index):
            below = list(self.model.unprocessed(job))
            assert self.do(self.store.remove_children(QUEUE, job.id)) == len(below)
            self.model.remove(below)

    # -- schedules

    @rule(
        every=st.sampled_from([3, 7]),
        missed=st.sampled_from(["once", "skip", "all"]),
        limit=st.sampled_from([None, 3]),
        immediately=st.booleans(),
    )
    def put_schedule(self, every: int, missed: str, limit: int | None, immediately: bool) -> None:
        policy = Policy(max_stalls=STALLS, keep_failed=Keep(KEEP), missed=None if missed == "once" else missed)
        record = ScheduleRecord(
            "s", QUEUE, None, None, every * 1000, missed, "tick", "{}", policy.to_json(), limit=limit
        )
        done = self.do(self.store.put_schedule(record, immediately=immediately))
        assert done is self.model.put_schedule(every * 1000, missed, limit, immediately=immediately)

    @rule()
    def remove_schedule(self) -> None:
        assert self.do(self.store.remove_schedule(QUEUE, "s")) is self.model.remove_schedule()

    # -- running

    def _step(self, worker: int, outcomes: list[Outcome], want: int = 0, failed: list[Run] | None = None) -> None:
        """Report and take; `outcomes` have been entered into the model already, which lets `failed` ones fail."""
        name = self.workers[worker]
        step = self.do(self.store.step(QUEUE, name, outcomes, [], want))
        assert [run for run, _ in step.failed] == (failed or [])
        taken = self.model.take(want, name)
        assert [record.id for record in step.taken] == [job.id for job in taken]
        for record, job in zip(step.taken, taken, strict=True):
            assert (record.deferred is not None) == job.deferred
            self.runs.append((Run(record.id, record.starts, record.token), job, name))

    def _current(self, index: int) -> tuple[Run, ModelJob] | None:
        """Return one of the runs that are still their jobs'."""
        live = [(run, job) for run, job, _ in self.runs if self._is_current(run, job)]
        return live[index % len(live)] if live else None

    def _is_current(self, run: Run, job: ModelJob) -> bool:
        return self.model.is_there(job) and job.state == "active" and job.starts == run.number

    def _any(self, index: int) -> ModelJob | None:
        jobs = list(self.model.jobs.values())
        return jobs[index % len(jobs)] if jobs else None

    @rule(worker=st.integers(0, 1), want=some)
    def take(self, worker: int, want: int) -> None:
        self._step(worker, [], want)

    @rule(index=pick, keep=st.sampled_from([0, KEEP, KEEP]), want=st.sampled_from([0, 0, 2]))
    def complete(self, index: int, keep: int, want: int) -> None:
        if found := self._current(index):
            run, job = found
            completes = self.model.complete(job, keep)
            self._step(want % 2, [Completed(run, "1", Keep(keep))], want, [] if completes else [run])

    @rule(want=some, state=st.sampled_from(ENDED))
    def take_and_end(self, want: int, state: str) -> None:
        self._step(0, [], want)
        for run, job, _ in self.runs[-want:]:
            if not self._is_current(run, job):
                continue
            if state == "failed":
                job.attempts += 1
                self.model.fail(job)
                self._step(0, [Failed(run, "no", None, Keep(KEEP))])
            else:
                completes = self.model.complete(job, KEEP)
                self._step(0, [Completed(run, "1", Keep(KEEP))], 0, [] if completes else [run])
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
            job.attempts += 1
            self.model.fail(job)
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

    @rule(index=pick, kind=st.sampled_from(["completed", "failed", "delayed", "released", "awaiting"]))
    def report_a_run_that_is_over(self, index: int, kind: str) -> None:
        over = [run for run, job, _ in self.runs if not self._is_current(run, job)]
        if over:
            run = over[index % len(over)]
            outcome: dict[str, Outcome] = {
                "completed": Completed(run, "2", Keep(KEEP)),
                "failed": Failed(run, "late", None, Keep(KEEP)),
                "delayed": Delayed(run, self.clock.now() + 1, None, None, 1),
                "released": Released(run),
                "awaiting": Awaiting(run, self._nodes(["wait"], None)),
            }
            step = self.do(self.store.step(QUEUE, self.workers[0], [outcome[kind]], [], 0))
            self.model.take(0, "")  # promotes
            assert list(step.refused) == [run]
            with pytest.raises(WrongState):
                self.do(self.store.add_flow(self._nodes(["wait"], None), (QUEUE, run)))

    @rule(index=pick, share=st.integers(0, 100))
    def note(self, index: int, share: int) -> None:
        if found := self._current(index):
            run, job = found
            job.progress = str(share)
            job.lines.append(f"at {share}")
            self.do(self.store.step(QUEUE, self.workers[0], [], [Note(run, str(share), [f"at {share}"])], 0))
            self.model.take(0, "")  # promotes
            assert list(self.do(self.store.logs(QUEUE, job.id))) == job.lines

    # -- leases and time

    @rule(worker=st.integers(0, 1))
    def beat(self, worker: int) -> None:
        name = self.workers[worker]
        mine = [(run, job) for run, job, owner in self.runs if owner == name]
        lost = self.do(self.store.extend(name, [run for run, _ in mine])).lost
        assert set(lost) == {run for run, job in mine if not self._is_current(run, job)}
        self.model.beat(name, [job for run, job in mine if self._is_current(run, job)])

    @rule(wait=seconds)
    def time_passes(self, wait: int) -> None:
        self.clock.advance(wait)

    @rule()
    def rescue(self) -> None:
        self.clock.advance(3)  # looks for lost workers are 2 s apart
        rescued = self.do(self.store.rescue(QUEUE))
        assert set(rescued) == self.model.rescue()

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
            assert self.do(self.store.cancel(QUEUE, job.id, "ana")) == job.state
            self.model.fail(job)
            self.model.advance(job)

    @rule(index=pick, children=st.booleans())
    def remove_one(self, index: int, children: bool) -> None:
        if job := self._any(index):
            tree = list(self.model.tree(job)) if children else [job]
            stays = any(self.model.is_held(one) or self.model.is_awaited(one) for one in tree)
            removed = self.do(self.store.remove(QUEUE, [job.id], children=children))
            assert list(removed) == ([] if stays else [job.id])
            if not stays:
                self.model.remove(tree)

    @rule(state=st.sampled_from(ENDED))
    def clean_what_has_ended(self, state: str) -> None:
        ended = self.model.ended(state)
        cleaned = self.do(self.store.clean(QUEUE, JobState(state), self.clock.now(), 1_000, None))
        assert sorted(cleaned.ids) == sorted(job.id for job in ended)
        self.model.remove(ended)

    @rule(index=pick, state=st.sampled_from(ENDED))
    def retry_one(self, index: int, state: str) -> None:
        if ended := self.model.ended(state):
            job = ended[index % len(ended)]
            assert list(self.do(self.store.retry(QUEUE, JobState(state), [job.id]))) == [job.id]
            self.model.retry([job])

    @rule(state=st.sampled_from(ENDED))
    def retry_all(self, state: str) -> None:
        ended = self.model.ended(state)
        assert list(self.do(self.store.retry(QUEUE, JobState(state), None))) == [job.id for job in ended]
        self.model.retry(ended)

    @rule(index=pick)
    def retry_what_has_not_ended(self, index: int) -> None:
        others = [job for job in self.model.jobs.values() if job.state not in ENDED]
        if others:
            assert not self.do(self.store.retry(QUEUE, JobState.FAILED, [others[index % len(others)].id]))

    # -- agreement

    @invariant()
    def time_stands_still(self) -> None:
        """Take back the time that a store's own timers have run by; let each rule have a millisecond of its own."""
        now = time.monotonic()
        self.tested.age(self.real - now)
        self.real = now
        self.clock.advance(0.001)

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
            assert (record.deferred is not None) == job.deferred
            if job.parent is None or self.model.is_there(job.parent):
                assert record.parent == (None if job.parent is None else f"{QUEUE}:{job.parent.id}")
            else:  # BullMQ's children go on naming a parent that is gone
                assert record.parent is None or self.model.bullmq

    @invariant()
    def families_agree(self) -> None:
        ends = {"pending": None, "completed": "completed", "failed": "failed", "fatal": "failed"}
        for job in self.model.jobs.values():
            if job.links:
                found = {child.id: child.ended for child in self.do(self.store.children(QUEUE, job.id))}
                assert found == {child_id: ends[link.state] for child_id, link in job.links.items()}

    @invariant()
    def schedules_agree(self) -> None:
        found = self.do(self.store.schedules())
        schedule = self.model.schedule
        assert len(found) == (schedule is not None)
        if schedule is not None:
            assert found[0].ticks == schedule.ticks
            awaited = self.model._awaited(schedule)
            assert found[0].next == (None if awaited is None else schedule.next)

    def _ids(self, state: str) -> list[str]:
        page = self.do(self.store.list(QUEUE, JobState(state), 1_000, None, newest=False))
        return [record.id for record in page.jobs]


async def _awaited(work: Awaitable[T]) -> T:
    return await work


@pytest.mark.slow
def test_the_store_and_the_model_never_disagree(store_kind: type[EmptyStore]) -> None:
    games = 50 if store_kind is SqliteMemory else 15  # a file and a server are slower
    run_state_machine_as_test(
        lambda: Machine(store_kind()),
        settings=settings(
            max_examples=games,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize="CI" in os.environ,  # there the same games each time; elsewhere others
        ),
    )
