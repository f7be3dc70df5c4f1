"""Finding jobs by the filter language, page by page, and how far a page looked."""

from __future__ import annotations

import pytest

from toril import InvalidJob, JobContext, ManualClock, Toril
from toril.errors import InvalidFilter
from toril.job import NewJob


@pytest.fixture
def line(app: Toril):
    @app.processor("line")
    async def run(job: JobContext) -> None:
        if job.name.startswith("bad"):
            raise ValueError(job.data.get("error", "no"))

    return app.queue("line")


async def found(line, text: str, **options: object) -> list[str]:
    return [job.name for job in (await line.search(text, **options)).jobs]


async def test_jobs_are_found_by_state_name_data_error_and_text(line, work) -> None:
    await line.add("bad mail", {"user": {"id": 42}, "error": "Timeout after 5 s"})
    await line.add("bad report", {"user": {"id": 7}, "error": "no such table"})
    await line.add("good report", {"user": {"id": 42}})
    await work()
    await line.add("report later", {"user": {"id": 42}}, delay=60)
    await line.add("report first", {"user": {"id": 42}}, priority=1)
    await line.add("report", {"user": {"id": 42}})
    assert await found(line, "state:failed") == ["bad report", "bad mail"]
    assert await found(line, "state:waiting,prioritized") == ["report first", "report"]
    assert await found(line, "name:report*") == ["report later", "report first", "report"]
    assert await found(line, "name:report") == ["report"]
    assert await found(line, "data.user.id:42 state:completed,failed") == ["bad mail", "good report"]
    assert await found(line, "error:timeout") == ["bad mail"]
    assert await found(line, '"such table"') == ["bad report"]
    assert await found(line, "name:[r]eport") == []
    assert await found(line, "state:active") == []
    assert len(await found(line, "")) == 6


async def test_what_others_write_in_another_way_is_found_all_the_same(line, work) -> None:
    letters = r'{"city":"Hu\u1ebf","path":"\/srv\/x","error":"Stra\u00dfe, \u212aelvin"}'
    numbers = '{"price":1.50,"n":1500000,"no":null,"error":"x"}'
    await line.app.store.add([NewJob("line", "bad a", letters, "{}"), NewJob("line", "bad b", numbers, "{}")])
    await work()
    for text in ("data.city:Huế", "data.city:H*", "data.path:/srv/*", "error:STRASSE", "error:kelvin", "strasse"):
        assert await found(line, f"state:failed {text}") == ["bad a"], text
    for text in ("data.price:1.5", "data.price:1.*", "data.n:1500000", "data.n:15*", "data.no:null"):
        assert await found(line, f"state:failed {text}") == ["bad b"], text


async def test_a_job_is_found_by_its_id_if_the_rest_is_true_as_well(line) -> None:
    job = await line.add("x", job_id="welcome-42")
    await line.add_many([("x", None)] * 3)
    page = await line.search("id:welcome-42")
    assert ([found.id for found in page.jobs], page.after, page.looked, page.total) == ([job.id], None, 1, 1)
    assert await found(line, "id:welcome-42 state:failed") == []
    assert await found(line, "id:no-such") == []


async def test_times_are_found_by_key(line, clock: ManualClock, work) -> None:
    for number in range(6):
        await line.add(f"{'bad' if number == 5 else 'good'} {number}")
        await work()
        clock.advance(60)
    assert await found(line, "state:completed since:3m") == ["good 4", "good 3"]
    page = await line.search("state:completed until:5m")
    assert [job.name for job in page.jobs] == ["good 0"]
    assert page.looked == 1
    assert await found(line, "since:90s") == ["bad 5"]
    assert await found(line, "since:10m until:5m") == ["good 0"]


async def test_pages_of_a_search_have_each_job_once(line, clock: ManualClock, work) -> None:
    await line.add_many([(f"{'bad' if number % 2 else 'good'} {number}", {"n": number % 3}) for number in range(30)])
    await work()
    await line.add_many([(f"wait {number}", {"n": number % 3}) for number in range(30)])
    for text in ("data.n:1", "name:*", "state:waiting,completed"):
        everything = await found(line, text)
        pages, after = [], None
        while True:
            page = await line.search(text, limit=4, after=after)
            pages += [job.name for job in page.jobs]
            after = page.after
            if after is None:
                break
        assert pages == everything
        assert (page.looked, page.total) == ((45, 45) if "state" in text else (60, 60))


async def test_a_search_says_what_it_cannot_understand(line) -> None:
    await line.add("x")
    with pytest.raises(InvalidFilter, match="naem: no such field"):
        await line.search("naem:x")
    for after in ("garbage", "failed.1.2.3", "waiting.1", "waiting.99999999999999999999.1.1"):
        with pytest.raises(InvalidJob, match="after: expected the mark"):
            await line.search("state:waiting", after=after)
    with pytest.raises(InvalidJob, match="limit: expected a whole number from 1 to 1,000"):
        await line.search("", limit=1_001)
    page = await line.app.queue("nobody").search("error:x")
    assert (page.jobs, page.after, page.total) == ([], None, 0)


async def test_pages_by_offset_reach_the_first_ten_thousand(line) -> None:
    await line.add_many([(f"job {number}", None) for number in range(20)])
    assert [job.name for job in (await line.jobs("waiting", offset=5, limit=2)).jobs] == ["job 5", "job 6"]
    page = await line.jobs("waiting", offset=2, limit=2, newest=True)
    assert [job.name for job in page.jobs] == ["job 17", "job 16"]
    assert next(job.name for job in (await line.jobs("waiting", after=page.after, newest=True)).jobs) == "job 15"
    assert (await line.jobs("waiting", offset=9_900)).jobs == []
    with pytest.raises(InvalidJob, match=r"^offset: expected a whole number from 0 to 9,900, got 9901"):
        await line.jobs("waiting", offset=9_901)
    with pytest.raises(InvalidJob, match="offset"):
        await line.jobs("waiting", offset=-1)
    with pytest.raises(InvalidJob, match="one of them"):
        await line.jobs("waiting", offset=1, after=page.after)
    with pytest.raises(InvalidJob, match="after: expected the mark"):
        await line.jobs("waiting", after="99999999999999999999.1")
