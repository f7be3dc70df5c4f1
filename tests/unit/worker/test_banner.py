"""What a worker says of itself at its start: every policy with its computed times, no hidden default, no password."""

from __future__ import annotations

from datetime import timedelta

import pytest

from toril import Exponential, Fixed, JobContext, Keep
from toril.options import resolve
from toril.worker.banner import banner, describe


def seldom(attempt: int) -> float:
    return attempt * 60.0


KEEPS = "keeps completed 1,000 / 1 d, failed 5,000 / 7 d"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, f"attempts=1; no timeout; {KEEPS}; max_stalls=3"),
        (
            {"attempts": 3, "backoff": Exponential(5.0)},
            f"attempts=3, exponential 5 s: runs at 0, +5 s, +15 s; no timeout; {KEEPS}; max_stalls=3",
        ),
        (
            {"attempts": 3, "backoff": Fixed(60, jitter=0.5), "max_stalls": 0},
            f"attempts=3, fixed 1 min, jitter 50%: runs at 0, +1 min, +2 min; no timeout; {KEEPS}; max_stalls=0",
        ),
        (
            {"timeout": 90, "priority": 2, "keep_completed": 0, "keep_failed": Keep()},
            "attempts=1; timeout 1 min 30 s; priority 2; keeps completed none, failed all; max_stalls=3",
        ),
        ({"attempts": 2}, f"attempts=2, no backoff: runs at 0, 0; no timeout; {KEEPS}; max_stalls=3"),
        (
            {"attempts": 5, "backoff": seldom, "keep_completed": 7, "keep_failed": timedelta(hours=1)},
            "attempts=5, own backoff seldom; no timeout; keeps completed 7, failed 1 h; max_stalls=3",
        ),
        (
            {"keep_failed": Keep(1, 90)},
            "attempts=1; no timeout; keeps completed 1,000 / 1 d, failed 1 / 1 min 30 s; max_stalls=3",
        ),
    ],
)
def test_a_policy_in_one_line(options, text):
    assert describe(resolve(options)) == text


def test_of_many_attempts_the_first_six_times_and_the_last_are_told():
    text = describe(resolve({"attempts": 100, "backoff": Exponential(1800.0, maximum=7200.0)}))
    assert (
        "up to 2 h: runs at 0, +30 min, +1 h 30 min, +3 h 30 min, +5 h 30 min, +7 h 30 min, …, +8 d 3 h; no timeout"
        in text
    )


async def test_the_banner_tells_store_queues_tasks_and_schedules(app):
    app.queue("emails", attempts=3, backoff=Exponential(5.0))

    @app.task(queue="emails")
    async def welcome(to: str) -> None: ...

    @app.task(queue="emails", process=True, attempts=1)
    def compress() -> None: ...

    @app.task(queue="other")
    def elsewhere() -> None: ...

    @app.processor("bank", timeout=30)
    def bank(job: JobContext) -> None: ...

    @app.cron("0 9 * * *", tz="Asia/Ho_Chi_Minh", missed="skip")
    @app.task(queue="emails")
    def remind() -> None: ...

    @app.every(timedelta(minutes=5))
    def sweep() -> None: ...

    lines = list(banner(app, {"emails": 5, "bank": 2, "default": 10}))
    assert lines[0] == f"store {app.url}   serves emails (5), bank (2), default (10)   lease 10 s"
    rest = f"no timeout; {KEEPS}; max_stalls=3"
    retries = "attempts=3, exponential 5 s: runs at 0, +5 s, +15 s"
    assert lines[1:] == [
        f"  compress [emails, process]  attempts=1; {rest}",
        f"  remind [emails, thread]  {retries}; {rest}",
        f"  sweep [default, thread]  attempts=1; {rest}",
        f"  welcome [emails, async]  {retries}; {rest}",
        f"  any other name [bank] → bank  attempts=1; {rest.replace('no timeout', 'timeout 30 s')}",
        "  remind runs at 0 9 * * * (Asia/Ho_Chi_Minh); missed times: skip",
        "  sweep runs every 5 min; missed times: once",
    ]
