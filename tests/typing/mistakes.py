"""What checkers must flag in users' code: each line says with which of mypy's and pyright's rules."""

from __future__ import annotations

from datetime import date

from toril import Exponential, Flow, Job, JobContext, Toril
from toril.messaging import Context, Mailer
from toril.messaging.catalogue import PasswordReset, Welcome

app = Toril("sqlite:///jobs.db")


@app.task
async def render(path: str, copies: int = 1) -> str:
    return path * copies


@app.task(queue="reports", attempts=3)
def report(job: JobContext, start: date) -> int:
    return start.year


def show(*values: object) -> str:
    return str(values)


# A coroutine that nobody awaits enqueues nothing


async def forget_to_await() -> None:
    render.enqueue("a.pdf")  # flagged: unused-coroutine, reportUnusedCoroutine
    report.using(priority=1).enqueue(date(2027, 1, 1))  # flagged: unused-coroutine, reportUnusedCoroutine
    app.enqueue_many([render.call("a.pdf")])  # flagged: unused-coroutine, reportUnusedCoroutine
    app.enqueue_flow(Flow(render.call("a.pdf"), []))  # flagged: unused-coroutine, reportUnusedCoroutine
    app.queue("emails").add("welcome")  # flagged: unused-coroutine, reportUnusedCoroutine
    app.queue("emails").pause()  # flagged: unused-coroutine, reportUnusedCoroutine
    job = await render.enqueue("a.pdf")
    job.result()  # flagged: unused-coroutine, reportUnusedCoroutine
    again: Job[str] = render.enqueue("a.pdf")  # flagged: assignment, reportAssignmentType
    show(again)


# Arguments


async def pass_wrong_arguments() -> None:
    await render.enqueue(7)  # flagged: arg-type, reportArgumentType
    await render.enqueue()  # flagged: call-arg, reportCallIssue
    await render.enqueue("a.pdf", copys=2)  # flagged: call-arg, reportCallIssue
    await render.enqueue("a.pdf", 2, 3)  # flagged: call-arg, reportCallIssue
    await report.enqueue("2027-01-01")  # flagged: arg-type, reportArgumentType
    render.call(path=None)  # flagged: arg-type, reportArgumentType
    render.enqueue_sync("a.pdf", copies="2")  # flagged: arg-type, reportArgumentType
    await app.enqueue_many([render.enqueue("a.pdf")])  # flagged: arg-type, reportArgumentType
    await render.enqueue("a.pdf", priority=1)  # flagged: call-arg, reportCallIssue


# Results


async def misread_results() -> None:
    text: int = await (await render.enqueue("a.pdf")).result()  # flagged: assignment, reportAssignmentType
    job: Job[str] = await report.enqueue(date(2027, 1, 1))  # flagged: assignment, reportAssignmentType
    show(text, job)


# Options


async def misspell_options() -> None:
    render.using(prio=1)  # flagged: call-arg, reportCallIssue
    render.using(priority="high")  # flagged: arg-type, reportArgumentType
    render.using(backoff=5)  # flagged: arg-type, reportArgumentType
    render.using(run_at="2027-01-01")  # flagged: arg-type, reportArgumentType
    await app.queue("emails").add("welcome", {}, delays=5)  # flagged: call-arg, reportCallIssue
    app.queue("emails", delay=5)  # flagged: call-arg, reportCallIssue
    Exponential("5 s")  # flagged: arg-type, reportArgumentType


@app.task(queue="reports", attemps=3)  # flagged: call-overload, reportCallIssue
async def misspelt() -> None: ...


# Schedules have no arguments to give


@app.cron("0 9 * * *")  # flagged: arg-type, reportArgumentType
async def needs_more(start: date) -> None: ...


@app.cron("0 9 * * *", missed="never")  # flagged: arg-type, reportArgumentType
async def never() -> None: ...


# A mail's context with a field that it does not have, or a value of another type


class InvoiceReady(Context, kind="transactional"):
    name: str


show(InvoiceReady(nmae="Ana"))  # flagged: call-arg, reportCallIssue
show(Welcome(name=7, link="https://shop.example.com"))  # flagged: arg-type, reportArgumentType
show(PasswordReset(name="Ana", link="https://not-marked.example.com"))  # flagged: arg-type, reportArgumentType


# A mail with an option that there is not, of a wrong type, or not awaited
async def wrong_mails(mailer: Mailer) -> None:
    await mailer.send("welcome", to="ana@example.com", context={}, prority=1)  # flagged: call-overload, reportCallIssue
    await mailer.send("welcome", to="ana@example.com", context={}, at=7)  # flagged: call-overload, reportArgumentType
    await mailer.send_many("welcome", [1])  # flagged: list-item, reportArgumentType
    mailer.send("welcome", to="ana@example.com", context={})  # flagged: unused-coroutine, reportUnusedCoroutine
