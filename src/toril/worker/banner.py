"""What a worker says of itself at its start: nothing that a job may meet is a hidden default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from toril.lasting import lasting
from toril.options import Keep, Policy
from toril.retry import run_times
from toril.schedule import Cron, Every
from toril.settings import mask_url

if TYPE_CHECKING:
    from toril.app import Toril

__all__ = ["banner", "describe"]

_SHOWN = 6  # times at which a job runs, beside the last


def banner(app: Toril, queues: Mapping[str, int]) -> Iterator[str]:
    """Yield lines that tell the store, the queues with their slots, and each task's effective policy."""
    served = ", ".join(f"{name} ({slots})" for name, slots in queues.items())
    yield f"store {mask_url(app.url)}   serves {served}   lease {app.settings.lease:g} s"
    for task in sorted(app.tasks.values(), key=lambda task: task.name):
        if task.queue.name in queues:
            kind = "process" if task.process else "async" if task.is_async else "thread"
            yield f"  {task.name} [{task.queue.name}, {kind}]  {describe(task.policy)}"
    for queue, processor in app.processors.items():
        if queue in queues:
            yield f"  any other name [{queue}] → {processor.name}  {describe(processor.policy)}"
    for task, plan in app.declared_schedules():
        yield f"  {task.name} runs {_times(plan.rule)}; missed times: {plan.missed}"


def describe(policy: Policy) -> str:
    """Return a policy in one line, with the times at which it retries."""
    parts = [f"attempts={policy.attempts}"]
    if policy.attempts > 1:
        parts[0] += f", {_retries(policy)}"
    parts.append(f"timeout {lasting(policy.timeout)}" if policy.timeout else "no timeout")
    if policy.priority:
        parts.append(f"priority {policy.priority}")
    parts += _limits(policy)
    parts.append(f"keeps completed {_keep(policy.keep_completed)}, failed {_keep(policy.keep_failed)}")
    parts.append(f"max_stalls={policy.max_stalls}")
    return "; ".join(parts)


def _limits(policy: Policy) -> Iterator[str]:
    """Yield what bounds the adding of such jobs, as far as anything does."""
    if policy.expires is not None:
        after = policy.expires.isoformat() if isinstance(policy.expires, datetime) else lasting(policy.expires)
        yield f"expires {after}"
    if policy.max_size is not None:
        yield f"data up to {policy.max_size:,} bytes"
    if policy.budget is not None:
        yield f"budget {policy.budget}{f' by {policy.budget.key}' if policy.budget.key else ''}"


def _retries(policy: Policy) -> str:
    if policy.backoff == "task" or callable(policy.backoff):
        return f"own backoff {getattr(policy.backoff, '__name__', policy.backoff)}"
    times = run_times(policy.attempts, policy.backoff)
    runs = ["0" if seconds == 0 else f"+{lasting(seconds)}" for seconds in times]
    if len(runs) > _SHOWN + 1:
        runs[_SHOWN:-1] = ["…"]
    return f"{policy.backoff or 'no backoff'}: runs at {', '.join(runs)}"


def _times(rule: Cron | Every) -> str:
    if isinstance(rule, Cron):
        return f"at {rule.expression} ({rule.tz})"
    return f"every {lasting(rule.milliseconds / 1000)}"


def _keep(keep: Keep) -> str:
    if keep.count == 0:
        return "none"
    bounds = [f"{keep.count:,}"] if keep.count is not None else []
    if keep.age is not None:
        bounds.append(lasting(keep.age))
    return " / ".join(bounds) or "all"
