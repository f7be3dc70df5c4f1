"""Whose word counts: the queue's defaults, then the task's options, then the call's."""

from __future__ import annotations

from toril import Exponential, Fixed, Keep, Toril
from toril.options import Policy


async def policy_of(job) -> Policy:
    return Policy.from_json((await job.refresh()).opts)


async def test_the_nearer_to_the_call_the_stronger(app: Toril) -> None:
    queue = app.queue("mails", attempts=3, backoff=Fixed(5), priority=5, timeout=10)

    @app.task(queue="mails", attempts=4, backoff=Exponential(2, jitter=0.5))
    async def welcome() -> None: ...

    plain = await policy_of(await welcome.enqueue())
    assert (plain.attempts, plain.backoff, plain.priority, plain.timeout) == (4, Exponential(2, jitter=0.5), 5, 10)
    own = await policy_of(await welcome.using(priority=1).using(attempts=7, timeout=None).enqueue())
    assert (own.attempts, own.priority, own.timeout) == (7, 1, None)
    by_name = await policy_of(await queue.add("welcome", priority=2))
    assert (by_name.attempts, by_name.priority, by_name.timeout) == (4, 2, 10)
    untyped = await policy_of(await queue.add("anything"))
    assert (untyped.attempts, untyped.backoff, untyped.priority) == (3, Fixed(5), 5)


async def test_without_a_word_there_is_one_attempt_and_retention_has_a_bound(app: Toril) -> None:
    policy = await policy_of(await app.queue("plain").add("x"))
    assert (policy.attempts, policy.max_stalls, policy.timeout) == (1, 3, None)
    assert (policy.keep_completed, policy.keep_failed) == (Keep(1_000, 86_400), Keep(5_000, 7 * 86_400))


async def test_a_queue_is_the_same_object_and_its_last_defaults_count(app: Toril) -> None:
    @app.task(queue="mails")
    async def welcome() -> None: ...

    await welcome.enqueue()
    assert app.queue("mails", attempts=2) is app.queue("mails")
    assert (await policy_of(await welcome.enqueue())).attempts == 2
