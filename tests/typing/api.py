# pyright: strict
"""What users write, and what their editor and checkers make of it. Checked by test_checkers.py, never run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypedDict, assert_type

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from toril import (
    Call,
    Exponential,
    Fixed,
    Flow,
    Job,
    JobContext,
    JobState,
    Keep,
    Queue,
    Secret,
    Snooze,
    Task,
    Toril,
    WaitForChildren,
    Worker,
)
from toril.messaging import Attachment, Batch, Context, Mailer, MailHandle, Recipient, Status, WebURL
from toril.messaging.catalogue import OrderConfirmation, OrderLine, PasswordReset

app = Toril("sqlite:///jobs.db")


class Row(BaseModel):
    price: float


class Options(TypedDict):
    dry: bool


# Async or sync, with the context or without it, bare or with options: arguments and results are known


@app.task
async def render(path: str, copies: int = 1) -> str:
    return path * copies


@app.task
async def load(job: JobContext, path: str) -> list[Row]:
    await job.progress(0.5)
    await job.log(f"{job.name} {job.id}, attempt {job.attempt} of {job.attempts}: {path}")
    return []


@app.task
def resize(width: int, *, height: int | None = None) -> bytes:
    return bytes(width * (height or width))


@app.task
def count(job: JobContext, row: Row, options: Options) -> int:
    job.progress({"done": 1})
    return int(row.price)


@app.task(queue="reports", attempts=3, backoff=Exponential(2.0), timeout=60)
async def report(start: date, end: date, form: Literal["pdf", "xlsx"] = "pdf") -> str:
    return f"{start}-{end}.{form}"


@app.task(name="import", timeout=timedelta(minutes=5), keep_completed=Keep(count=100, age=3600.0), keep_failed=0)
async def import_rows(job: JobContext, path: str) -> int:
    raise Snooze(timedelta(minutes=1))


@app.task(backoff=lambda attempt: None if attempt > 3 else attempt * 10.0)
def call_bank(account: str) -> None: ...


@app.task(process=True)
def prime(n: int) -> bool:
    return n == 2


@app.task
async def ping() -> None: ...


# A first parameter that takes anything is an argument, not the context


@app.task
async def store_anything(payload: object, key: str) -> str:
    return key


@app.task
def measure_anything(payload: object) -> int:
    return len(str(payload))


# Schedules keep what is known of their tasks


@app.cron("0 9 * * *", tz="Asia/Ho_Chi_Minh", missed="once")
async def remind() -> int:
    return 0


@app.every(timedelta(minutes=5))
def sweep(job: JobContext) -> list[str]:
    return [job.id]


@app.cron("@daily")
@app.task(queue="reports")
async def digest(days: int = 7) -> str:
    return str(days)


@app.processor("bank-sync", attempts=5)
async def synchronise(job: JobContext) -> int:
    return len(job.data)


assert_type(remind, Task[[], int])
assert_type(sweep, Task[[], list[str]])


async def enqueue() -> None:
    job = await render.enqueue("a.pdf", copies=2)
    assert_type(job, Job[str])
    assert_type(await job.result(timeout=30), str)
    assert_type(await job.state(), JobState)
    assert_type(await job.log(), Sequence[str])
    assert_type(await (await load.enqueue(path="a")).result(), list[Row])
    assert_type(await (await resize.enqueue(3, height=4)).result(), bytes)
    assert_type(await count.enqueue(Row(price=1.0), {"dry": True}), Job[int])
    assert_type(await report.enqueue(start=date(2027, 1, 1), end=date(2027, 2, 1), form="xlsx"), Job[str])
    assert_type(await import_rows.enqueue("rows.csv"), Job[int])
    assert_type(await call_bank.enqueue("1"), Job[None])
    assert_type(await prime.enqueue(7), Job[bool])
    assert_type(await ping.enqueue(), Job[None])
    assert_type(await store_anything.enqueue({"any": 1}, key="k"), Job[str])
    assert_type(await measure_anything.enqueue(payload=...), Job[int])
    assert_type(await remind.enqueue(), Job[int])
    assert_type(await sweep.enqueue(), Job[list[str]])
    assert_type(await digest.enqueue(days=3), Job[str])


async def choose_options() -> None:
    urgent = render.using(priority=1, delay=timedelta(hours=1), job_id="welcome-42", backoff=Fixed(5.0), lifo=True)
    assert_type(await urgent.enqueue("a.pdf"), Job[str])
    later = render.using(run_at=datetime(2027, 1, 1, tzinfo=UTC), timeout=None, keep_completed=timedelta(days=1))
    assert_type(later.call("a.pdf"), Call[str])


async def enqueue_many() -> None:
    assert_type(await app.enqueue_many(render.call("a.pdf", n) for n in range(3)), list[Job[str]])
    calls: list[Call[Any]] = [render.call("a.pdf"), prime.call(2)]  # of several tasks
    assert_type(await app.enqueue_many(calls), list[Job[Any]])
    either: list[Call[str | bool]] = [render.call("a.pdf"), prime.call(2)]
    assert_type(await app.enqueue_many(either), list[Job[str | bool]])


@app.task
async def bundle(job: JobContext, paths: list[str]) -> str:
    children = await job.children()
    if not children:
        raise WaitForChildren(render.call(path) for path in paths)
    assert_type(children.results(render), list[str])
    assert_type(await job.add_children([prime.call(2)]), list[Job[bool]])
    return ", ".join(child.reason or "" for child in children.failed)


async def enqueue_flow() -> None:
    parts = [prime.using(if_failed="ignore_dependency").call(n) for n in range(3)]
    job = await app.enqueue_flow(Flow(bundle.call([]), [render.call("a.pdf"), Flow(digest.call(), parts)]))
    assert_type(job, Job[str])
    assert_type([child.job for child in await job.children()], list[Job[Any]])
    assert_type([node.state for node in await job.tree()], list[JobState | None])
    assert_type(await job.parent(), Job[Any] | None)


def enqueue_from_blocking_code() -> None:
    job = render.enqueue_sync("a.pdf")
    assert_type(job, Job[str])
    assert_type(app.run(job.result()), str)


async def use_queue() -> None:
    queue = app.queue("emails", attempts=3, backoff=Exponential(5.0, jitter=0.5, maximum=60.0), priority=5)
    assert_type(queue, Queue)
    assert_type(await queue.add("welcome", {"to": "ana@example.com"}, priority=3, delay=5.0), Job[Any])
    assert_type(await queue.add_many([("welcome", {"to": "ana@example.com"}), ("ping", None)]), list[Job[Any]])
    assert_type(await queue.get("welcome-42"), Job[Any] | None)
    assert_type(await queue.counts(), dict[str, int])
    page = await queue.jobs("failed", limit=20, after=None)
    assert_type([await job.result() for job in page.jobs], list[Any])
    assert_type(await queue.retry_all(), int)


async def work() -> None:
    async with app:
        assert_type(await Worker(app, queues={"emails": 5}, burst=True).run(), None)


def show(job: Job[object], task: Task[..., object]) -> str:
    return f"{job.id} {task.name}"


async def widen() -> None:
    assert_type(show(await prime.enqueue(7), render), str)  # a job of a bool is a job of an object


# Mails: a class is a message type, and its constructor knows the fields


class InvoiceReady(Context, kind="transactional", priority=2):
    name: str
    link: WebURL
    code: Secret[str] | None = None


def write_mails(mailer: Mailer) -> list[Context]:
    mailer.register(InvoiceReady)
    order = OrderConfirmation(
        name="Ana",
        order_id="A-1",
        lines=[OrderLine(name="Hay", quantity=2, price=Decimal("1.50"))],
        total=Decimal("1.50"),
        currency="EUR",
    )
    reset = PasswordReset(name="Ana", link=Secret("https://shop.example.com/reset/1"), valid_minutes=30)
    return [order, reset, InvoiceReady(name="Ana", link="https://shop.example.com", code=Secret("4711"))]


async def send_mails(mailer: Mailer, session: AsyncSession, blocking: Session) -> None:
    invoice = InvoiceReady(name="Ana", link="https://shop.example.com")
    handle = await mailer.send(invoice, to="ana@example.com", key="k", at=datetime.now(UTC), session=session)
    assert_type(handle, MailHandle)
    assert_type(await handle.status(), Status)
    sent = mailer.send_sync(
        "welcome",
        to="ana@example.com",
        context={},
        attachments=[Attachment(b"x", "x.pdf"), Path("y.pdf")],
        session=blocking,
    )
    assert_type(sent, MailHandle)
    people: list[str | Recipient] = ["ana@example.com", Recipient("bob@example.com", {"name": "Bob"}, locale="vi")]
    batch = await mailer.send_many("welcome", people, context={"link": "…"}, dry_run=True, progress=print)
    assert_type(batch, Batch)
    assert_type(await batch.counts(), dict[str, int])
    page = await mailer.log(status=Status.FAILED, recipient="ana@example.com")
    assert_type([mail.subject for mail in page.mails], list[str])
    mailer.override("welcome", attempts=3, backoff=Exponential(5.0))
