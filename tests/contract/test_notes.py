"""What a run says while it goes on: progress and log lines."""

from __future__ import annotations

import asyncio

import pytest

from toril import InvalidJob, JobContext, Toril


async def test_progress_and_log_can_be_read_while_the_job_runs(app: Toril, make_app, clock, work) -> None:
    read = asyncio.Event()

    @app.task
    async def import_rows(job: JobContext) -> None:
        await job.progress(0.5)
        await job.log("half way")
        await read.wait()
        job.progress({"rows": 100, "of": 100})
        job.log("done")

    job = await import_rows.enqueue()
    running = asyncio.create_task(work())
    handle = await make_app(clock).queue("default").get(job.id)
    assert handle is not None
    async with asyncio.timeout(10):
        while await handle.progress() is None:
            await asyncio.sleep(0.01)
    assert (await handle.progress(), await handle.log(), await handle.state()) == (0.5, ["half way"], "active")
    read.set()
    await running
    assert (await job.progress(), await job.log()) == ({"rows": 100, "of": 100}, ["half way", "done"])


async def test_a_sync_task_says_it_too(app: Toril, work) -> None:
    @app.task
    def count(job: JobContext) -> None:
        for number in range(200):
            job.progress(number)
            job.log(f"line {number}")

    job = await count.enqueue()
    await work()
    assert (await job.progress(), await job.log()) == (199, [f"line {number}" for number in range(200)])


async def test_logs_of_all_attempts_stay_in_order(app: Toril, work) -> None:
    @app.task(attempts=3)
    async def fail(job: JobContext) -> None:
        job.log(f"attempt {job.attempt}")
        raise ValueError

    job = await fail.enqueue()
    await work()
    assert await job.log() == ["attempt 1", "attempt 2", "attempt 3"]


async def test_jobs_do_not_mix_what_they_say(app: Toril, work) -> None:
    @app.task
    async def say(job: JobContext, word: str) -> None:
        for _ in range(3):
            job.log(word)
            await asyncio.sleep(0)
        job.progress(word)

    jobs = await app.enqueue_many(say.call(str(number)) for number in range(20))
    await work(slots=10)
    for number, job in enumerate(jobs):
        assert (await job.log(), await job.progress()) == ([str(number)] * 3, str(number))


async def test_a_line_of_more_than_8_kb_is_cut_and_says_so(app: Toril, work) -> None:
    @app.task
    async def say(job: JobContext) -> None:
        job.log("x" * 8_192)
        job.log("é" * 10_000)
        job.log("\ud800")

    job = await say.enqueue()
    await work()
    whole, cut, odd = await job.log()
    assert whole == "x" * 8_192
    assert len(cut.encode()) in range(8_190, 8_193)
    assert cut.endswith("é … (cut: it had 20,000 bytes)")
    assert odd == "\\ud800"


@pytest.mark.parametrize(("options", "kept"), [({}, 1_000), ({"keep_logs": 3}, 3)])
async def test_the_newest_lines_are_kept(app: Toril, work, options: dict, kept: int) -> None:
    @app.task(**options)
    async def say(job: JobContext) -> None:
        for number in range(1_500):
            job.log(number)
            if number % 400 == 0:
                await asyncio.sleep(0.15)  # so that they travel with several steps

    job = await say.enqueue()
    await work()
    assert await job.log() == [str(number) for number in range(1_500 - kept, 1_500)]


async def test_many_lines_at_once(app: Toril, work) -> None:
    @app.task(keep_logs=9_000)
    async def say(job: JobContext) -> None:
        for number in range(9_000):
            job.log(number)

    job = await say.enqueue()
    await work()
    assert len(await job.log()) == 9_000


async def test_keep_logs_is_checked(app: Toril) -> None:
    with pytest.raises(InvalidJob, match="keep_logs: expected a whole number from 1"):
        await app.queue("mails").add("x", keep_logs=0)


async def test_progress_that_is_not_json_fails_in_the_task(app: Toril, work) -> None:
    caught: list[str] = []

    @app.task
    async def odd(job: JobContext) -> None:
        with pytest.raises(InvalidJob) as error:
            job.progress(float("nan"))
        caught.append(str(error.value))

    job = await odd.enqueue()
    await work()
    assert (await job.state(), await job.progress()) == ("completed", None)
    assert "progress" in caught[0]


async def test_a_job_that_said_nothing(app: Toril) -> None:
    job = await app.queue("mails").add("x")
    assert (await job.progress(), await job.log()) == (None, [])
