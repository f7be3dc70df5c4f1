"""Secret arguments: in the clear for the run alone, encrypted where they lie, masked where they are shown."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel

from toril import Budget, InvalidJob, JobContext, ManualClock, Secret, Toril
from toril.errors import ConfigurationError
from toril.secret import masked

PLANTED = "4242-planted-\"quoted\"-'secret'-Zoë"
OLD, NEW = "old key " * 5, "new key " * 5


class Payment(BaseModel):
    amount: int
    card: Secret[str]


@pytest.fixture
def app(make_app: Callable[..., Toril], clock: ManualClock) -> Toril:
    return make_app(clock, secret_keys=[OLD])


async def test_the_run_gets_the_value_and_nobody_else_does(app: Toril, store, work, caplog) -> None:
    seen: list[object] = []

    @app.task
    async def charge(job: JobContext, user: str, card: Secret[str]) -> None:
        seen.append((user, card.reveal()))
        logging.getLogger("shop").warning("charging %s %r %s", card, [card], f"{card}")
        job.log(f"the card is {card.reveal()}, {card.reveal()!r}")
        raise ValueError(card.reveal(), f"refused: {card.reveal()}")

    call = charge.call("ana", Secret(PLANTED))
    job = await charge.enqueue("ana", card=Secret(PLANTED))
    waiting = await job.refresh()
    await work()
    record = await job.refresh()
    assert seen == [("ana", PLANTED)]
    assert record.state == "failed"
    assert "********" in (record.reason or "")
    shown = [repr(call), repr(job), repr(waiting), repr(record), caplog.text, *await job.log()]
    for text in shown:
        assert "planted" not in text
    assert repr(call) == '<Call charge {"user":"ana","card":"********"}>'
    assert masked(record.data) == '{"user":"ana","card":"********"}'
    assert not store.holds("planted")
    assert store.holds("ana")  # so the looking works


async def test_what_only_looks_like_a_secret_is_data_like_any(app: Toril, work) -> None:
    @app.task
    async def charge(job: JobContext, card: Secret[str], note: Any) -> Any:
        return [len(card.reveal()), note]

    job = await charge.enqueue(Secret(PLANTED), note={"$secret": "of a stranger"})
    await work()
    assert await job.result(timeout=5) == [len(PLANTED), {"$secret": "of a stranger"}]


async def test_a_sync_task_and_a_retry_decrypt_as_well(app: Toril, work) -> None:
    seen: list[str] = []

    @app.task(attempts=2)
    def charge(card: Secret[str]) -> None:
        seen.append(card.reveal())
        raise ValueError

    await charge.enqueue(Secret("4242"))
    await work()
    assert seen == ["4242", "4242"]


async def test_any_type_may_be_secret_wherever_it_stands(app: Toril, work) -> None:
    seen: list[object] = []

    @app.task
    async def charge(
        born: Secret[date], pins: list[Secret[int]], payment: Payment, other: Secret[dict[str, float]] | None = None
    ) -> None:
        seen.extend([born.reveal(), [pin.reveal() for pin in pins], payment.card.reveal(), other and other.reveal()])

    payment = Payment(amount=3, card=Secret("4242"))
    job = await charge.enqueue(
        Secret(date(1990, 5, 17)), [Secret(1234), Secret(5678)], payment, other=Secret({"a": 1.5})
    )
    data = (await job.refresh()).data
    await charge.enqueue(Secret(date(1990, 5, 17)), [], payment)
    await work()
    assert seen == [date(1990, 5, 17), [1234, 5678], "4242", {"a": 1.5}, date(1990, 5, 17), [], "4242", None]
    for plain in ("1990", "1234", "5678", "4242", "1.5"):
        assert plain not in masked(data)
    assert json.loads(masked(data))["payment"] == {"amount": 3, "card": "********"}


@pytest.mark.parametrize(
    "card", ["planted", ["planted"], {"planted": 1}, Secret("planted"), Secret([Secret("planted")])]
)
async def test_a_refused_call_does_not_tell_what_was_given(app: Toril, card) -> None:
    @app.task
    async def charge(card: Secret[int]) -> None: ...

    with pytest.raises(InvalidJob, match=r"charge\.card: Input should be a valid integer") as refused:
        charge.call(card)
    assert "planted" not in str(refused.value)


async def test_an_untyped_add_is_encrypted_too(app: Toril, work) -> None:
    seen: list[str] = []

    @app.task
    async def charge(card: Secret[str]) -> None:
        seen.append(card.reveal())

    job = await charge.queue.add("charge", {"card": "4242"})
    assert "4242" not in (await job.refresh()).data
    with pytest.raises(InvalidJob, match="expected JSON, found Secret"):
        await app.queue("others").add("nobody", {"card": Secret("4242")})
    await work()
    assert seen == ["4242"]


async def test_a_secret_is_no_result(app: Toril, work) -> None:
    @app.task
    async def charge(card: Secret[str]) -> object:
        return card

    job = await charge.enqueue(Secret("planted"))
    await work()
    record = await job.refresh()
    assert (record.state, record.result) == ("failed", None)
    assert "planted" not in f"{record.reason}{record.stack}"


async def test_keys_may_be_changed(make_app, clock: ManualClock, app: Toril, work) -> None:
    seen: list[str] = []

    def declare(app: Toril):
        @app.task
        async def charge(card: Secret[str]) -> None:
            seen.append(card.reveal())

        return charge

    await declare(app).enqueue(Secret("old"))
    both = make_app(clock, secret_keys=[NEW, OLD])
    await declare(both).enqueue(Secret("new"))
    await work(both)
    assert seen == ["old", "new"]
    charge = declare(make_app(clock, secret_keys=[NEW], deploy_grace=0))
    lost = await declare(make_app(clock, secret_keys=[OLD])).enqueue(Secret("old"))
    await charge.enqueue(Secret("new"))
    await work(charge.queue.app)
    assert seen == ["old", "new", "new"]
    reason = (await lost.refresh()).reason
    assert reason == "charge.card: encrypted with a key that is not among TORIL_SECRET_KEYS"


async def test_what_was_added_before_the_parameter_was_a_secret_still_runs(app: Toril, make_app, clock, work) -> None:
    await make_app(clock).queue("default").add("charge", {"card": "4242"})
    seen: list[str] = []

    @app.task
    async def charge(card: Secret[str]) -> None:
        seen.append(card.reveal())

    await work()
    assert seen == ["4242"]


def test_without_a_key_a_secret_cannot_be_declared(make_app) -> None:
    app = make_app()
    with pytest.raises(ConfigurationError, match="set TORIL_SECRET_KEYS"):

        @app.task
        async def charge(payment: Payment) -> None: ...

    assert app.tasks == {}


def test_a_budget_by_a_secret_is_refused(app: Toril) -> None:
    @app.task(budget=Budget(1, per=60, key="data.card"))
    async def charge(card: Secret[str]) -> None: ...

    with pytest.raises(InvalidJob, match=r"budget key data.card"):
        charge.call(Secret("4242")).new_job(0)


def test_outside_of_a_job_a_secret_is_masked_as_well() -> None:
    payment = Payment.model_validate({"amount": 3, "card": "4242"})
    assert payment.card.reveal() == "4242"
    assert payment.model_dump_json() == '{"amount":3,"card":"********"}'
    assert repr(payment) == "Payment(amount=3, card=Secret('********'))"
    with pytest.raises(ValueError, match="expected a plain value, found an encrypted one"):
        Payment.model_validate({"amount": 3, "card": {"$secret": "x"}})
