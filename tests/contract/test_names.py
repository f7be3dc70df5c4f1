"""Node's names and numbers: `userId` is `user_id` in Python, and what Node could not read is refused at the caller."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from toril import Budget, Flow, JobContext, JobState, Secret, Toril
from toril.errors import ConfigurationError, InvalidArguments, InvalidData
from toril.json import decode

Work = Callable[..., Awaitable[None]]
MOST = 2**53 - 1


class Line(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    unit_price: int = Field(alias="unitPrice")


async def data_of(job: Any) -> Any:
    return decode((await job.refresh()).data)


async def test_names_are_mapped_both_ways(app: Toril, work: Work) -> None:
    seen: list[object] = []

    @app.task(names="camel")
    async def order(user_id: int, line_items: list[Line], note: str = "") -> list[Line]:
        seen.append((user_id, line_items, note))
        return line_items

    job = await order.enqueue(1, [Line(unit_price=5)], note="a")
    assert await data_of(job) == {"userId": 1, "lineItems": [{"unitPrice": 5}], "note": "a"}
    from_node = await app.queue("default").add("order", {"userId": 2, "lineItems": []})
    await work()
    assert seen == [(1, [Line(unit_price=5)], "a"), (2, [], "")]
    assert (await from_node.refresh()).state is JobState.COMPLETED
    assert await job.result() == [Line(unit_price=5)]
    assert [found.id for found in (await app.queue("default").search("data.userId:1")).jobs] == [job.id]


async def test_a_parameter_may_have_an_alias_of_its_own(app: Toril, work: Work) -> None:
    seen: list[object] = []

    @app.task(names="camel")
    async def greet(user_id: Annotated[int, Field(alias="uid")], first_name: str) -> None:
        seen.append((user_id, first_name))

    @app.task
    async def plain(user_id: Annotated[int, Field(alias="userId", gt=0)]) -> None:
        seen.append(user_id)

    assert await data_of(await greet.enqueue(user_id=1, first_name="Ana")) == {"uid": 1, "firstName": "Ana"}
    assert await data_of(await plain.enqueue(7)) == {"userId": 7}
    await work()
    assert seen == [(1, "Ana"), 7]


async def test_errors_speak_the_callers_names(app: Toril) -> None:
    @app.task(names="camel")
    async def order(user_id: int, line_items: list[Line]) -> None: ...

    with pytest.raises(InvalidArguments, match=r"^order\.user_id: .*; order\.line_items: required$"):
        order.call(user_id="x")  # type: ignore[call-arg,arg-type]
    with pytest.raises(InvalidArguments, match=r"^order\.userId: .*, got 'x'; order\.lineItems\.0\.unitPrice: "):
        await app.queue("default").add("order", {"userId": "x", "lineItems": [{"unitPrice": "y"}]})
    with pytest.raises(InvalidArguments, match=r"no such argument"):
        await app.queue("default").add("order", {"userId": 1, "user_id": 2, "lineItems": []})


async def test_schedules_flows_secrets_and_budgets_use_the_same_names(
    make_app: Callable[..., Toril], work: Work
) -> None:
    app = make_app(secret_keys="k" * 40)
    seen: list[object] = []

    @app.task(names="camel", budget=Budget(1, per=3600, key="data.userId"))
    async def reset(user_id: int, reset_code: Secret[str]) -> None:
        seen.append((user_id, reset_code.reveal()))
        raise RuntimeError(f"code {reset_code.reveal()}")

    await app.schedule(reset.call(1, Secret("12345678")), id="s", every=60)
    flow = await app.enqueue_flow(Flow(reset.call(2, Secret("abcdefgh")), []))
    (schedule,) = await app.schedules()
    assert schedule.data.keys() == {"userId", "resetCode"}
    assert (await data_of(flow)).keys() == {"userId", "resetCode"}
    await work(app)
    assert sorted(seen) == [(1, "12345678"), (2, "abcdefgh")]  # type: ignore[type-var]
    assert "abcdefgh" not in str(await flow.refresh())


def test_what_cannot_be_told_apart_is_refused_where_it_is_declared(app: Toril) -> None:
    with pytest.raises(ConfigurationError, match=r"names: expected 'camel' or None, got 'snake'"):

        @app.task(names="snake")  # type: ignore[arg-type]
        async def one() -> None: ...

    with pytest.raises(ConfigurationError, match=r"two parameters are called 'userId' in the data"):

        @app.task(names="camel")
        async def two(user_id: int, userId: int) -> None: ...  # noqa: N803

    with pytest.raises(ConfigurationError, match=r"parameter user_id: expected alias="):

        @app.task
        async def three(user_id: Annotated[int, Field(validation_alias="a", serialization_alias="b")]) -> None: ...

    with pytest.raises(ConfigurationError, match=r"budget key data\.user_id: there is no such field"):

        @app.task(names="camel", budget=Budget(1, per=1, key="data.user_id"))
        async def four(user_id: int) -> None: ...


@pytest.mark.parametrize("number", [MOST + 1, -MOST - 1, 10**5000], ids=["2^53", "-2^53", "10^5000"])
async def test_numbers_that_node_would_change_are_refused_with_their_place(app: Toril, number: int) -> None:

    @app.task
    async def move(rows: list[dict[str, int]]) -> None: ...

    if app.store.largest is None:  # only Python reads this store
        move.call([{"id": max(min(number, 2**60), -(2**60))}])
        return

    queue = app.queue("default")
    with pytest.raises(InvalidData, match=r"^move(\.rows\[1\]\.id: expected a whole number up to|: )"):
        move.call([{"id": 1}, {"id": number}])
    with pytest.raises(InvalidData, match=r"^data(\.a\[0\]: expected a whole number up to|: )"):
        await queue.add("anything", {"a": [number]})
    job = await queue.add("anything", {"a": [MOST, -MOST], "text": "9" * 40, "float": 1e300})
    with pytest.raises(InvalidData, match=r"^data"):
        await job.change(data={"a": number})
    assert (await queue.counts())["waiting"] == 1


async def test_results_and_progress_as_well(app: Toril, work: Work) -> None:
    @app.task(attempts=3)
    async def count() -> int:
        return MOST + 1

    @app.task
    async def tell(job: JobContext) -> None:
        await job.progress({"done": MOST + 1})

    jobs = [await count.enqueue(), await tell.enqueue()]
    await work()
    if app.store.largest is None:
        assert await jobs[0].result() == MOST + 1
        assert await jobs[1].progress() == {"done": MOST + 1}
        return
    for job, place in zip(jobs, ("result: ", "progress.done: "), strict=True):
        record = await job.refresh()
        assert (record.state, record.attempts) == (JobState.FAILED, 1)
        assert f"{place}expected a whole number up to 9,007,199,254,740,991" in (record.reason or "")
