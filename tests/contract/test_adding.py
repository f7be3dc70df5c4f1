"""Adding: ids, custom ids, bulk."""

from __future__ import annotations

import pytest

from toril import InvalidJob, JobContext, Toril


async def test_ids_are_given_and_never_twice(app: Toril, work) -> None:
    @app.task(keep_completed=0)
    async def greet(name: str) -> None: ...

    first = await greet.enqueue("ana")
    await work()
    second = await greet.enqueue("ana")
    assert await greet.queue.get(first.id) is None  # it is gone, and its id does not come back
    assert first.id != second.id


async def test_bulk_keeps_the_order_over_several_thousands(app: Toril, work) -> None:
    seen: list[int] = []

    @app.task
    async def note(number: int) -> None:
        seen.append(number)

    jobs = await app.enqueue_many(note.call(number) for number in range(2_300))
    assert len({job.id for job in jobs}) == 2_300
    for index in (0, 999, 1_000, 2_299):
        found = await note.queue.get(jobs[index].id)
        assert found is not None
        assert found.record.data == f'{{"number":{index}}}'
    await work()
    assert seen == list(range(2_300))


async def test_an_id_that_exists_is_returned_and_nothing_is_added(app: Toril) -> None:
    queue = app.queue("mails")
    first = await queue.add("welcome", {"to": "ana"}, job_id="welcome-42")
    again = await queue.add("welcome", {"to": "bob"}, job_id="welcome-42", priority=3)
    assert (first.id, again.id) == ("welcome-42", "welcome-42")
    assert (await again.refresh()).data == '{"to":"ana"}'
    assert (await queue.counts())["ready"] == 1


async def test_an_id_given_twice_in_one_bulk_is_one_job(app: Toril) -> None:
    @app.task
    async def greet(name: str) -> None: ...

    jobs = await app.enqueue_many(greet.using(job_id="one").call(name) for name in ("ana", "bob"))
    assert [job.id for job in jobs] == ["one", "one"]
    assert (await jobs[1].refresh()).data == '{"name":"ana"}'
    assert (await greet.queue.counts())["waiting"] == 1


async def test_an_id_belongs_to_its_queue(app: Toril) -> None:
    for name in ("mails", "reports"):
        await app.queue(name).add("x", job_id="same")
    assert (await app.queue("mails").counts())["waiting"] == (await app.queue("reports").counts())["waiting"] == 1


async def test_an_id_is_taken_while_its_ended_job_is_kept_and_free_afterwards(app: Toril, work) -> None:
    runs = 0

    @app.task
    async def once() -> None:
        nonlocal runs
        runs += 1

    for keep, expected in ((5, 1), (5, 1), (0, 2), (0, 3)):
        await once.using(job_id=f"keeps-{keep}", keep_completed=keep).enqueue()
        await work()
        assert runs == expected


@pytest.mark.parametrize("job_id", ["", "7", "-7", "a:b", "wait", "meta", "x" * 256, 7])
async def test_ids_that_some_store_cannot_carry_are_refused_on_all(app: Toril, job_id) -> None:
    queue = app.queue("mails")
    with pytest.raises(InvalidJob, match="job_id"):
        await queue.add("welcome", job_id=job_id)
    assert not any((await queue.counts()).values())


async def test_data_come_back_as_they_went_in(app: Toril, work) -> None:
    seen: list[object] = []
    data = {"text": "Zoë \x00 \N{PILE OF POO} \u2028", "nested": [1, 2.5, None, True, {"": []}], "big": 2**53 - 1}

    @app.processor("any")
    async def look(job: JobContext) -> None:
        seen.append(job.data)

    await app.queue("any").add("x", data)
    await work()
    assert seen == [data]
