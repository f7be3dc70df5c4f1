"""Deduplication: one job of a queue holds a key; what becomes of the others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from toril import Dedup, Fixed, InvalidJob, JobContext, ManualClock, Toril

KEY = "user-7"


@pytest.fixture
def seen(app: Toril) -> list[object]:
    """What the jobs of the queue "syncs" were given, in order of their runs."""
    data: list[object] = []

    @app.processor("syncs")
    async def sync(job: JobContext) -> None:
        data.append(job.data)
        if job.name == "fails":
            raise ValueError

    return data


@pytest.fixture
def told(app: Toril):
    """Return what the store has told of since the beginning: `await told("added", "deduplicated")`."""

    async def read(*kinds: str):
        return [(event.kind, event.body) for event in (await app.store.events("0", 0)).events if event.kind in kinds]

    return read


async def test_while_a_job_holds_the_key_it_is_returned_instead(app: Toril, seen, told, work) -> None:
    queue = app.queue("syncs")
    first = await queue.add("sync", 1, dedup=Dedup(KEY))
    again = await queue.add("sync", 2, dedup=Dedup(KEY), priority=1)
    other = await queue.add("sync", 3, dedup=Dedup("user-8"))
    free = await queue.add("sync", 4)
    assert again.id == first.id
    assert len({first.id, other.id, free.id}) == 3
    assert (await queue.counts())["ready"] == 3
    [(_, body)] = await told("deduplicated")
    assert (body["jobId"], body["deduplicationId"]) == (first.id, KEY)
    assert body["deduplicatedJobId"] not in {first.id, other.id, free.id}
    await work()
    assert seen == [1, 3, 4]


@pytest.mark.parametrize("keep", [5, 0], ids=["kept", "removed"])
@pytest.mark.parametrize("name", ["sync", "fails"])
async def test_the_key_is_free_when_its_job_has_ended(app: Toril, seen, work, name: str, keep: int) -> None:
    queue = app.queue("syncs")
    options = {"dedup": Dedup(KEY), "keep_completed": keep, "keep_failed": keep}
    first = await queue.add(name, 1, **options)
    assert await queue.dedup_owner(KEY) == first.id
    await work()
    assert await queue.dedup_owner(KEY) is None
    second = await queue.add(name, 2, **options)
    assert second.id != first.id
    await work()
    assert seen == [1, 2]


async def test_a_retry_keeps_the_key(app: Toril, seen, work) -> None:
    queue = app.queue("syncs")
    first = await queue.add("fails", 1, dedup=Dedup(KEY), attempts=2, backoff=Fixed(5))
    await work()
    assert (await queue.add("fails", 2, dedup=Dedup(KEY))).id == first.id


async def test_a_key_belongs_to_its_queue(app: Toril) -> None:
    for name in ("syncs", "reports"):
        await app.queue(name).add("x", dedup=Dedup(KEY))
        assert (await app.queue(name).counts())["waiting"] == 1


async def test_bulk_and_typed_calls_deduplicate_among_themselves(app: Toril, work) -> None:
    runs: list[int] = []

    @app.task
    async def sync(number: int) -> None:
        runs.append(number)

    jobs = await app.enqueue_many(sync.using(dedup=Dedup(f"key-{n % 2}")).call(n) for n in range(6))
    assert [job.id for job in jobs] == [jobs[0].id, jobs[1].id] * 3
    await work()
    assert runs == [0, 1]


# -- ttl


async def test_a_key_with_a_ttl_is_held_for_that_time_whatever_becomes_of_its_job(
    app: Toril, seen, clock: ManualClock, work
) -> None:
    queue = app.queue("syncs")
    dedup = Dedup(KEY, ttl=timedelta(seconds=60))
    first = await queue.add("sync", 1, dedup=dedup, keep_completed=0)
    await work()
    clock.advance(59)
    assert (await queue.add("sync", 2, dedup=dedup)).id == first.id  # it has ended, and is even gone
    clock.advance(1)
    assert await queue.dedup_owner(KEY) is None
    assert (await queue.add("sync", 3, dedup=dedup)).id != first.id
    await work()
    assert seen == [1, 3]


@pytest.mark.parametrize("extend", [True, False])
async def test_extend_starts_the_ttl_again(app: Toril, clock: ManualClock, extend: bool) -> None:
    queue = app.queue("syncs")
    dedup = Dedup(KEY, ttl=60, extend=extend)
    first = await queue.add("sync", dedup=dedup)
    clock.advance(40)
    await queue.add("sync", dedup=dedup)
    clock.advance(40)
    assert ((await queue.add("sync", dedup=dedup)).id == first.id) is extend


async def test_a_job_that_waits_longer_than_the_ttl_does_not_hold_it_longer(app: Toril, clock: ManualClock) -> None:
    queue = app.queue("syncs")
    await queue.add("sync", dedup=Dedup(KEY, ttl=1))
    clock.advance(1)
    await queue.add("sync", dedup=Dedup(KEY, ttl=1))
    assert (await queue.counts())["waiting"] == 2


# -- replace


async def test_replace_has_a_delayed_job_make_way_with_a_new_delay(
    app: Toril, seen, told, clock: ManualClock, work
) -> None:
    queue = app.queue("syncs")
    options = {"dedup": Dedup(KEY, replace=True), "delay": 10}
    first = await queue.add("sync", 1, **options)
    clock.advance(6)
    second = await queue.add("sync", 2, **options)
    assert await queue.get(first.id) is None
    assert await queue.dedup_owner(KEY) == second.id
    assert (await queue.counts())["delayed"] == 1
    clock.advance(6)
    await work()
    assert seen == []
    clock.advance(4)
    await work()
    assert seen == [2]
    assert await told("removed", "deduplicated") == [
        ("removed", {"jobId": first.id, "prev": "delayed"}),
        ("deduplicated", {"jobId": second.id, "deduplicationId": KEY, "deduplicatedJobId": first.id}),
    ]


async def test_replace_leaves_a_job_that_is_due_alone(app: Toril, seen, told, clock: ManualClock, work) -> None:
    queue = app.queue("syncs")
    first = await queue.add("sync", 1, dedup=Dedup(KEY))
    second = await queue.add("sync", 2, dedup=Dedup(KEY, replace=True), delay=10)
    assert second.id == first.id
    assert await told("deduplicated", "removed") == []
    await work()
    clock.advance(20)
    await work()
    assert seen == [1]


@pytest.mark.parametrize(("extend", "free_after"), [(False, 60), (True, 100)])
async def test_replace_keeps_the_rest_of_a_ttl_or_extends_it(
    app: Toril, clock: ManualClock, extend: bool, free_after: int
) -> None:
    queue = app.queue("syncs")
    options = {"dedup": Dedup(KEY, ttl=60, replace=True, extend=extend), "delay": 1_000}
    await queue.add("sync", 1, **options)
    clock.advance(40)
    second = await queue.add("sync", 2, **options)
    clock.advance(free_after - 41)
    assert await queue.dedup_owner(KEY) == second.id
    clock.advance(1)
    assert await queue.dedup_owner(KEY) is None


# -- keep_last


async def test_keep_last_adds_the_last_job_when_the_running_one_ends(app: Toril, told, work) -> None:
    queue, seen, ids = app.queue("syncs"), [], []

    @app.processor("syncs")
    async def sync(job: JobContext) -> None:
        seen.append(job.data)
        if job.data == 1:
            for number in (2, 3, 4):
                again = await queue.add("sync", number, dedup=Dedup(KEY, keep_last=True), priority=number)
                ids.append(again.id)

    first = await queue.add("sync", 1, dedup=Dedup(KEY, keep_last=True))
    await work()
    assert ids == [first.id] * 3
    assert seen == [1, 4]
    kinds = [(kind, body["jobId"]) for kind, body in await told("added", "completed", "deduplicated")]
    last = (await queue.jobs("completed", newest=True)).jobs[0]
    assert last.record.priority == 4
    assert kinds == [
        ("added", first.id),
        *[("deduplicated", first.id)] * 3,
        ("added", last.id),
        ("completed", first.id),
        ("completed", last.id),
    ]
    assert await queue.dedup_owner(KEY) is None


async def test_keep_last_starts_a_delay_when_the_running_job_ends(app: Toril, clock: ManualClock, work) -> None:
    queue, seen = app.queue("syncs"), []

    @app.processor("syncs")
    async def sync(job: JobContext) -> None:
        seen.append(job.data)
        if job.data == 1:
            await queue.add("sync", 2, dedup=Dedup(KEY, keep_last=True), delay=10)
            clock.advance(60)
            raise ValueError

    await queue.add("sync", 1, dedup=Dedup(KEY, keep_last=True))
    await work()
    [kept] = (await queue.jobs("delayed")).jobs
    assert (await queue.add("sync", 3, dedup=Dedup(KEY))).id == kept.id
    clock.advance(9)
    await work()
    assert seen == [1]
    clock.advance(1)
    await work()
    assert seen == [1, 2]


async def test_keep_last_drops_what_is_added_while_the_job_only_waits(app: Toril, seen, work) -> None:
    queue = app.queue("syncs")
    for number in (1, 2):
        await queue.add("sync", number, dedup=Dedup(KEY, keep_last=True))
    await work()
    assert seen == [1]


async def test_without_keep_last_what_is_added_while_the_job_runs_is_dropped(app: Toril, work) -> None:
    queue, seen = app.queue("syncs"), []

    @app.processor("syncs")
    async def sync(job: JobContext) -> None:
        seen.append(job.data)
        await queue.add("sync", 2, dedup=Dedup(KEY))

    await queue.add("sync", 1, dedup=Dedup(KEY))
    await work()
    assert seen == [1]


# -- the key itself


async def test_a_key_can_be_freed_by_hand(app: Toril, seen, work) -> None:
    queue = app.queue("syncs")
    await queue.add("sync", 1, dedup=Dedup(KEY))
    assert await queue.forget_dedup(KEY) is True
    assert await queue.forget_dedup(KEY) is False
    await queue.add("sync", 2, dedup=Dedup(KEY))
    await work()
    assert seen == [1, 2]


async def test_the_end_of_a_job_leaves_another_jobs_key_alone(app: Toril, work) -> None:
    queue = app.queue("syncs")
    ran: list[object] = []

    @app.processor("syncs")
    async def sync(job: JobContext) -> None:
        ran.append(job.data)
        if job.data == 1:
            await queue.forget_dedup(KEY)
            await queue.add("sync", 2, dedup=Dedup(KEY), delay=60)

    await queue.add("sync", 1, dedup=Dedup(KEY))
    await work()
    assert ran == [1]
    assert await queue.dedup_owner(KEY) == (await queue.jobs("delayed")).jobs[0].id


async def test_an_id_that_exists_comes_before_the_key(app: Toril, told) -> None:
    queue = app.queue("syncs")
    one = await queue.add("sync", 1, job_id="one")
    await queue.add("sync", 2, dedup=Dedup(KEY))
    assert (await queue.add("sync", 3, job_id="one", dedup=Dedup(KEY))).id == one.id
    assert await told("duplicated", "deduplicated") == [("duplicated", {"jobId": "one"})]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dedup(""), "dedup id"),
        (lambda: Dedup("x" * 256), "dedup id"),
        (lambda: Dedup(7), "dedup id"),
        (lambda: Dedup("x", ttl=0), "dedup ttl"),
        (lambda: Dedup("x", ttl=float("nan")), "dedup ttl"),
        (lambda: Dedup("x", ttl=timedelta(-1)), "dedup ttl"),
        (lambda: Dedup("x", ttl="60"), "dedup ttl"),
        (lambda: Dedup("x", extend=True), "dedup extend"),
        (lambda: Dedup("x", ttl=1, keep_last=True), "dedup keep_last"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        make()


async def test_another_thing_than_a_dedup_is_refused(app: Toril) -> None:
    with pytest.raises(InvalidJob, match="dedup: expected Dedup"):
        await app.queue("syncs").add("sync", dedup="user-7")


@pytest.mark.parametrize("options", [{}, {"ttl": 60}, {"keep_last": True}], ids=str)
async def test_a_job_that_is_removed_holds_nothing(app: Toril, options) -> None:
    queue = app.queue("syncs")
    job = await queue.add("sync", 1, dedup=Dedup(KEY, **options))
    other = await queue.add("sync", 1, dedup=Dedup("another", **options))
    await job.remove()
    assert await queue.dedup_owner(KEY) is None
    assert await queue.dedup_owner("another") == other.id
    assert (await queue.add("sync", 2, dedup=Dedup(KEY, **options))).id != job.id


@pytest.mark.parametrize("goes", ["clean", "drain", "obliterate"])
@pytest.mark.parametrize("options", [{}, {"ttl": 3_600}], ids=str)
async def test_nor_does_one_that_goes_with_many(app: Toril, clock: ManualClock, goes: str, options) -> None:
    queue = app.queue("syncs")
    job = await queue.add("sync", 1, delay=60, dedup=Dedup(KEY, **options))
    clock.advance(10)
    await queue.pause()
    gone = {
        "clean": lambda: queue.clean("delayed", older_than=5),
        "drain": lambda: queue.drain(delayed=True),
        "obliterate": queue.obliterate,
    }[goes]()
    assert (await gone, await queue.dedup_owner(KEY)) == (1, None)
    again = await queue.add("sync", 2, dedup=Dedup(KEY, **options))
    assert again.id != job.id
    assert await again.state() == "waiting"
