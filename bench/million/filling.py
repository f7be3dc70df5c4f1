"""Fills a store through its own seam, as a week of work would have left it; and the delivery log beside it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import create_engine, insert

from bench.million.site import MAIL_LOG, make_app
from toril import JobState, Toril
from toril.clock import SystemClock
from toril.job import JobRecord, NewJob, Node
from toril.json import dump
from toril.messaging.migrations import upgrade
from toril.messaging.models import EmailEvent, EmailLog, EmailSuppression
from toril.options import Keep
from toril.store.runs import Completed, Failed, Outcome, Run
from toril.store.views import WorkerInfo
from toril.web.migrations import upgrade as upgrade_web
from toril.web.models import AuditEntry

__all__ = ["QUEUE", "SCHEDULE", "Shares", "fill_jobs", "fill_mail"]

QUEUE, SCHEDULE = "orders", "nightly"
SMALL = [f"small-{number}" for number in range(10)]  # other queues, with 200 jobs each
WEEK = 7 * 86_400_000  # milliseconds
CHUNK, STEP, ACTIVE = 1_000, 200, 20
TASKS = ["charge", "invoice", "receipt", "pack", "label", "ship", "track", "refund", "remind", "report", "sync", "scan"]
ERRORS = ["ConnectionError", "TimeoutError", "ValueError", "KeyError", "SMTPServerDisconnected", "IntegrityError"]
MESSAGES = [
    "[Errno 111] Connect call failed ('10.0.0.{n}', 5432)",
    "order {n} of customer c{n}@example.com has no address",
    "no answer within {n} s from https://api.example.com/orders/{n}",
    "HTTP 503 for request 3f2a{n:04d}-0000-4000-8000-0000000{n:05d}",
    "duplicate key value violates unique constraint 'orders_{n}'",
    "expected a number, got 'n/a' in row {n} of /var/spool/import/{n}.csv",
    "payment declined",
]


class Shares(NamedTuple):
    """How a queue of so many jobs is made up."""

    completed: int
    failed: int
    waiting: int
    prioritized: int
    delayed: int
    flows: int  # parents with three children each

    @classmethod
    def of(cls, jobs: int) -> Shares:
        """Return the mixture for `jobs` jobs, in whole chunks."""
        chunks = max(jobs // CHUNK, 25)
        parts = [chunks * share // 100 for share in (42, 10, 25, 5, 14)]
        return cls(*(part * CHUNK for part in parts), flows=(chunks - sum(parts)) * CHUNK // 4)


@dataclass
class Past:
    """A clock that goes through the last week while the store is filled; leases count real seconds."""

    at: int = field(default_factory=lambda: SystemClock().now() - WEEK)

    def now(self) -> int:
        """Return the moved time."""
        return self.at

    def monotonic(self) -> float:
        """Return the machine's."""
        return SystemClock().monotonic()


async def fill_jobs(store: str, folder: Path, jobs: int) -> Mapping[JobState, int]:
    """Fill a store, and return the counts of its large queue as they must be now."""
    clock, shares = Past(), Shares.of(jobs)
    app = make_app(store, folder, clock)
    chance = random.Random(1)
    ended = (shares.completed + shares.failed) // CHUNK
    async with app:
        filler = _Filler(app, chance, shares.failed / max(shares.completed + shares.failed, 1))
        await filler.enrol()
        for _ in range(ended):
            clock.at += WEEK // (ended + 2)
            await filler.end(QUEUE, CHUNK)
        clock.at = SystemClock().now() - 60_000
        await filler.wait(shares)
        for queue in SMALL:
            await filler.end(queue, 200)
        await app.store.step(QUEUE, filler.worker, [], [], ACTIVE)
    return {
        **filler.counts,
        JobState.ACTIVE: ACTIVE,
        JobState.WAITING: shares.waiting + 3 * shares.flows - ACTIVE,
        JobState.PRIORITIZED: shares.prioritized,
        JobState.DELAYED: shares.delayed,
        JobState.WAITING_CHILDREN: shares.flows,
    }


class _Filler:
    def __init__(self, app: Toril, chance: random.Random, failing: float) -> None:
        self._app, self._chance, self._failing = app, chance, failing
        self.worker = ""
        self.counts = {JobState.COMPLETED: 0, JobState.FAILED: 0}

    async def enrol(self) -> None:
        info = WorkerInfo("bench", "here", 1, 1e6, {QUEUE: STEP} | dict.fromkeys(SMALL, STEP))
        self.worker = await self._app.store.enrol(info)

    async def end(self, queue: str, count: int) -> None:
        """Add jobs and let them end."""
        await self._app.store.add([self._new(queue) for _ in range(count)])
        outcomes: list[Outcome] = []
        for _ in range(0, count, STEP):
            step = await self._app.store.step(queue, self.worker, outcomes, [], STEP)
            outcomes = [self._outcome(job) for job in step.taken]
        await self._app.store.step(queue, self.worker, outcomes, [], 0)

    async def wait(self, shares: Shares) -> None:
        """Add jobs that wait."""
        now, chance = SystemClock().now(), self._chance
        for _ in range(0, shares.waiting, CHUNK):
            await self._app.store.add([self._new(QUEUE) for _ in range(CHUNK)])
        for _ in range(0, shares.prioritized, CHUNK):
            await self._app.store.add([self._new(QUEUE, priority=chance.randint(1, 9)) for _ in range(CHUNK)])
        for _ in range(0, shares.delayed, CHUNK):
            await self._app.store.add(
                [self._new(QUEUE, due=now + chance.randint(86_400_000, 2 * WEEK)) for _ in range(CHUNK)]
            )
        for _ in range(0, shares.flows, CHUNK // 4):
            nodes: list[Node] = []
            for _ in range(CHUNK // 4):
                parent = len(nodes)
                nodes += [Node(self._new(QUEUE), None), *(Node(self._new(QUEUE), parent) for _ in range(3))]
            await self._app.store.add_flow(nodes, None)

    def _new(self, queue: str, **more: Any) -> NewJob:
        number = self._chance.randint(1, 9_999_999)
        data = {
            "order": number,
            "customer": {"id": number % 100_000, "email": f"c{number}@example.com", "country": "vn"},
            "items": [{"sku": f"A-{number % 977:04d}", "quantity": 2, "price": "19.90"} for _ in range(3)],
            "note": "leave it at the door, the bell does not work",
        }
        opts = {"attempts": 3, "backoff": {"type": "exponential", "delay": 5_000}}
        return NewJob(queue, TASKS[number % len(TASKS)], dump(data), dump(opts), **more)

    def _outcome(self, job: JobRecord) -> Outcome:
        run = Run(job.id, job.starts, job.token)
        if self._chance.random() >= self._failing:
            if job.queue == QUEUE:
                self.counts[JobState.COMPLETED] += 1
            return Completed(run, '{"sent":true,"took":0.25}', Keep(None))
        if job.queue == QUEUE:
            self.counts[JobState.FAILED] += 1
        number = self._chance.randint(1, 999)
        reason = f"{self._chance.choice(ERRORS)}: {self._chance.choice(MESSAGES).format(n=number)}"
        stack = "".join(f'  File "/srv/shop/jobs.py", line {line}, in step\n    await call()\n' for line in range(8))
        return Failed(run, reason, dump([f"Traceback (most recent call last):\n{stack}{reason}"]), Keep(None))


STATUSES = ["sent"] * 180 + ["failed"] * 8 + ["pending"] * 6 + ["suppressed"] * 3 + ["cancelled"] * 2 + ["unknown"]
TYPES = ["welcome", "password-reset", "order-confirmation", "promotion", "payment-receipt"]


def fill_mail(folder: Path, rows: int, entries: int = 20_000) -> None:
    """Write a delivery log of a month with so many rows; an audit log and suppressions with so many entries."""
    engine, now, chance = create_engine(f"sqlite:///{folder / MAIL_LOG}"), SystemClock().now(), random.Random(2)
    with engine.begin() as connection:
        upgrade(connection)
        upgrade_web(connection)
        for mails in _chunks([_mail(number, rows, now, chance) for number in range(rows)]):
            connection.execute(insert(EmailLog), mails)
            connection.execute(insert(EmailEvent), [event for mail in mails for event in _events(mail)])
        audit = [
            {"at": now - (entries - number) * 60_000, "who": "ana", "origin": "session", "action": "retry",
             "queue": QUEUE, "jobs": "[]", "count": 1, "detail": "", "outcome": "done"} for number in range(entries)
        ]  # fmt: skip
        for chunk in _chunks(audit):
            connection.execute(insert(AuditEntry), chunk)
        for chunk in _chunks([_suppression(number, now) for number in range(entries)]):
            connection.execute(insert(EmailSuppression), chunk)
    engine.dispose()


def _mail(number: int, rows: int, now: int, chance: random.Random) -> dict[str, Any]:
    at, status = now - (rows - number) * (30 * 86_400_000 // rows), chance.choice(STATUSES)
    return {
        "id": f"m{at:011x}{number:012x}", "type": chance.choice(TYPES), "recipient": f"c{number % 50_000}@example.com",
        "subject": f"Your order {number}", "status": status, "attempts": 1, "error": None, "created_at": at,
        "sent_at": at + 400 if status == "sent" else None, "first_try_at": at + 100, "send_at": at,
        "look_at": now + 86_400_000 if status == "pending" else None, "give_up_at": None, "key": None,
        "batch": f"b{number // 5_000}" if number % 2 else None, "copy_of": None, "kind": "transactional",
        "category": "", "locale": "en", "priority": 0, "forgiven": 0, "recipient_name": "",
        "message_id": f"<{number}@example.com>", "extras": "",
        "context": dump({"name": "Ana", "link": f"https://shop.example.com/orders/{number}"}),
    }  # fmt: skip


def _suppression(number: int, now: int) -> dict[str, Any]:
    address = f"c{number}@example.com"
    return {"address": address, "scope": "all", "reason": "bounce", "detail": "", "created_at": now - number * 60_000}


def _events(mail: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for step, event in enumerate(("accepted", "attempt", mail["status"])):
        yield {"email_id": mail["id"], "at": mail["created_at"] + step, "event": event, "attempt": step, "detail": ""}


def _chunks(rows: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    return (rows[start : start + 5_000] for start in range(0, len(rows), 5_000))
