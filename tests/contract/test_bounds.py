"""What bounds the adding of jobs: the size of their data, the length of a queue, a budget for each key."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from toril import (
    Budget,
    BudgetExceeded,
    DataTooLarge,
    Dedup,
    Fixed,
    InvalidJob,
    ManualClock,
    PartlyAdded,
    QueueFull,
    Toril,
    TorilError,
)
from toril.errors import ConfigurationError
from toril.store.runs import Released, Run
from toril.store.views import WorkerInfo

# -- size


async def test_data_that_are_too_large_are_refused_at_the_call(app: Toril) -> None:
    @app.task(max_size=30)
    async def greet(name: str) -> None: ...

    await greet.enqueue("x" * 19)  # {"name":"…"} is 30 bytes
    with pytest.raises(DataTooLarge, match=r"greet: data of 31 bytes, expected at most 30 \(max_size\)"):
        greet.call("x" * 20)
    with pytest.raises(DataTooLarge):
        greet.call("\N{PILE OF POO}" * 5)  # bytes count, not characters
    with pytest.raises(DataTooLarge):
        await greet.queue.add("greet", {"name": "x" * 20})
    await greet.using(max_size=40).enqueue("x" * 20)
    assert (await greet.queue.counts())["waiting"] == 2


async def test_one_that_is_too_large_keeps_a_whole_bulk_out(app: Toril) -> None:
    queue = app.queue("mails", max_size=10)
    with pytest.raises(DataTooLarge, match="second"):
        await queue.add_many([("first", "x"), ("second", "x" * 20)])
    assert not any((await queue.counts()).values())


async def test_a_setting_bounds_what_declares_nothing(make_app, clock: ManualClock) -> None:
    app = make_app(clock, max_job_size=10)
    await app.queue("mails").add("x", "12345678")
    with pytest.raises(DataTooLarge):
        await app.queue("mails").add("x", "123456789")
    await app.queue("reports", max_size=100).add("x", "123456789")
    await app.queue("files", max_size=None).add("x", "x" * 1_000)


# -- length


async def test_a_full_queue_takes_no_more_until_jobs_have_left_it(app: Toril, make_app, clock, work) -> None:
    @app.task
    async def greet() -> None: ...

    await greet.queue.limit_length(3)
    await greet.enqueue()
    await greet.using(priority=1).enqueue()
    await greet.using(delay=60).enqueue()
    with pytest.raises(QueueFull, match="queue default is full: no more than 3 jobs") as refused:
        await make_app(clock).queue("default").add("greet")  # another producer, which was told nothing
    assert (refused.value.queue, refused.value.max_length) == ("default", 3)
    await app.queue("other").add("greet")
    await work()
    await app.enqueue_many([greet.call(), greet.call()])
    assert await greet.queue.max_length() == 3
    await greet.queue.limit_length(None)
    await greet.enqueue()
    assert await greet.queue.max_length() is None


async def test_a_bulk_that_does_not_fit_is_refused_as_a_whole(app: Toril) -> None:
    queue = app.queue("mails")
    await queue.limit_length(3)
    await queue.add("x")
    with pytest.raises(QueueFull):
        await queue.add_many([("x", n) for n in range(3)])
    assert (await queue.counts())["waiting"] == 1
    await queue.add_many([("x", n) for n in range(2)])


async def test_a_full_queue_still_knows_the_jobs_that_it_has(app: Toril) -> None:
    queue = app.queue("mails")
    await queue.add("x", job_id="one")
    held = await queue.add("x", dedup=Dedup("key"), delay=60)
    await queue.limit_length(1)
    assert (await queue.add("x", job_id="one")).id == "one"
    assert (await queue.add("x", dedup=Dedup("key"))).id == held.id
    with pytest.raises(QueueFull):
        await queue.add("x")


async def test_jobs_that_come_back_find_the_full_queue_open(app: Toril, clock: ManualClock, work) -> None:
    @app.task(attempts=2, backoff=Fixed(5))
    async def fails() -> None:
        await fails.queue.limit_length(1)
        await fails.using(delay=60).enqueue()
        raise ValueError

    await fails.enqueue()
    await work()
    assert (await fails.queue.counts())["delayed"] == 2


async def test_a_job_that_is_handed_back_or_rescued_finds_the_full_queue_open(app: Toril, clock: ManualClock) -> None:
    queue = app.queue("mails")
    job = await queue.add("x")
    worker = await app.store.enrol(WorkerInfo("ana", "host", 1, 10.0, {"mails": 1}))
    (record,) = (await app.store.step("mails", worker, [], [], 1)).taken
    await queue.limit_length(1)
    await queue.add("y")
    await app.store.step("mails", worker, [Released(Run(record.id, record.starts, record.token))], [], 0)
    assert await job.state() == "waiting"
    assert [again.id for again in (await app.store.step("mails", worker, [], [], 1)).taken] == [job.id]
    clock.advance(11)
    assert list(await app.store.rescue("mails")) == [job.id]
    assert (await queue.counts())["waiting"] == 2
    with pytest.raises(QueueFull):
        await queue.add("z")


async def test_ticks_of_a_schedule_find_the_full_queue_open_and_cost_no_budget(app: Toril, clock, work) -> None:
    ran: list[int] = []

    @app.every(60)
    @app.task(budget=Budget(1, per=3_600))
    async def tick() -> None:
        ran.append(clock.now())

    await tick.queue.limit_length(1)
    await tick.queue.add("something else", delay=7_200)
    for _ in range(3):
        await work()
        clock.advance(60)
    assert len(ran) == 3
    with pytest.raises(QueueFull):
        await tick.enqueue()
    await tick.queue.limit_length(None)
    await tick.enqueue()
    with pytest.raises(BudgetExceeded):
        await tick.enqueue()


async def test_what_no_longer_fits_after_a_thousand_is_named(app: Toril) -> None:
    queue = app.queue("mails")
    await queue.limit_length(1_500)
    with pytest.raises(PartlyAdded) as partly:
        await queue.add_many([("x", n) for n in range(2_000)])
    assert len(partly.value.ids) == 1_000
    assert isinstance(partly.value.__cause__, QueueFull)


async def test_the_same_call_finishes_what_was_partly_added_if_its_jobs_have_ids_of_their_own(app: Toril) -> None:
    @app.task
    async def greet(n: int) -> None: ...

    calls = [greet.using(job_id=f"greet-{n}").call(n) for n in range(2_000)]
    await greet.queue.limit_length(1_500)
    with pytest.raises(PartlyAdded) as partly:
        await app.enqueue_many(calls)
    await greet.queue.limit_length(None)
    jobs = await app.enqueue_many(calls)
    assert partly.value.ids == tuple(job.id for job in jobs[:1_000])
    assert (len({job.id for job in jobs}), (await greet.queue.counts())["waiting"]) == (2_000, 2_000)


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "10"])
async def test_a_length_that_is_none_is_refused(app: Toril, value) -> None:
    with pytest.raises(InvalidJob, match="max_length"):
        await app.queue("mails").limit_length(value)


# -- budgets


async def test_over_its_budget_a_key_is_refused_until_its_time_is_over(app: Toril, clock: ManualClock) -> None:
    @app.task(budget=Budget(2, per=60, key="data.user_id"))
    async def greet(user_id: int) -> None: ...

    await greet.enqueue(1)
    clock.advance(20)
    await greet.enqueue(1)
    with pytest.raises(
        BudgetExceeded, match=r"greet data.user_id=1 is spent \(2 per 1 min\): try again in 40 s"
    ) as over:
        await greet.enqueue(1)
    assert over.value.key == "greet data.user_id=1"
    assert over.value.retry_after == 40
    assert over.value.retry_at == clock.now() + 40_000
    await greet.enqueue(2)
    clock.advance(39.999)
    with pytest.raises(BudgetExceeded, match=r"try again in 0.001 s"):
        await greet.enqueue(1)
    clock.advance(0.001)
    await greet.enqueue(1)
    assert (await greet.queue.counts())["waiting"] == 4


async def test_a_bulk_over_the_budget_adds_nothing_and_costs_nothing(app: Toril) -> None:
    @app.task(budget=Budget(3, per=timedelta(minutes=1), key="data.user_id"))
    async def greet(user_id: int) -> None: ...

    with pytest.raises(BudgetExceeded):
        await app.enqueue_many(greet.call(user) for user in (1, 2, 2, 2, 2))
    assert (await greet.queue.counts())["waiting"] == 0
    await app.enqueue_many(greet.call(user) for user in (1, 2, 2, 2, 1))


async def test_what_is_not_added_costs_nothing(app: Toril) -> None:
    queue = app.queue("mails", budget=Budget(2, per=60))
    for _ in range(3):
        await queue.add("x", job_id="one")
        await queue.add("x", dedup=Dedup("key"))
    with pytest.raises(BudgetExceeded, match=r"all jobs is spent"):
        await queue.add("x")


async def test_a_task_has_a_budget_of_its_own_or_shares_its_queues(app: Toril) -> None:
    app.queue("mails", budget=Budget(1, per=60, key="data.user"))

    @app.task(queue="mails")
    async def one(user: str) -> None: ...

    @app.task(queue="mails")
    async def two(user: str) -> None: ...

    @app.task(queue="mails", budget=Budget(1, per=60, key="data.user"))
    async def three(user: str) -> None: ...

    await one.enqueue("ana")
    with pytest.raises(BudgetExceeded, match=r"budget of data.user=ana"):
        await two.enqueue("ana")
    await three.enqueue("ana")
    with pytest.raises(BudgetExceeded, match=r"budget of three data.user=ana"):
        await app.queue("mails").add("three", {"user": "ana"})
    await one.using(budget=None).enqueue("ana")


async def test_a_key_may_lie_deeper_and_what_is_not_there_is_none(app: Toril) -> None:
    queue = app.queue("mails", budget=Budget(1, per=60, key="data.user.id"))
    await queue.add("x", {"user": {"id": 7}})
    await queue.add("x", {"user": {"id": 8}})
    await queue.add("x", {"user": 7})
    with pytest.raises(BudgetExceeded, match=r"data.user.id=None"):
        await queue.add("x", [1])
    with pytest.raises(InvalidJob, match=r"budget key data.user.id: expected text, a number or a flag"):
        await queue.add("x", {"user": {"id": {"no": 1}}})


async def test_concurrent_adds_never_spend_more_than_there_is(app: Toril, make_app, clock) -> None:
    apps = [app, make_app(clock)]
    queues = [each.queue("mails", budget=Budget(5, per=60)) for each in apps]
    adds = [queues[n % 2].add("x", n) for n in range(40)]
    results = await asyncio.gather(*adds, return_exceptions=True)
    assert sum(isinstance(result, BudgetExceeded) for result in results) == 35
    assert (await queues[0].counts())["waiting"] == 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Budget(0, per=60), "budget limit"),
        (lambda: Budget(True, per=60), "budget limit"),
        (lambda: Budget(1, per=0), "budget per"),
        (lambda: Budget(1, per=float("nan")), "budget per"),
        (lambda: Budget(1, per=60, key="user_id"), "budget key"),
        (lambda: Budget(1, per=60, key="data."), "budget key"),
    ],
)
def test_budgets_that_make_no_sense_are_refused(make, message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        make()


def test_a_key_that_the_task_does_not_have_is_refused_where_it_is_declared(app: Toril) -> None:
    with pytest.raises(ConfigurationError, match=r"task greet: budget key data.user: there is no such field"):

        @app.task(budget=Budget(1, per=60, key="data.user"))
        async def greet(user_id: int) -> None: ...


@pytest.mark.parametrize("options", [{"max_size": 0}, {"max_size": "1k"}, {"budget": 100}])
def test_bad_limits_are_refused_where_they_are_declared(app: Toril, options) -> None:
    with pytest.raises(TorilError, match=next(iter(options))):
        app.queue("mails", **options)
