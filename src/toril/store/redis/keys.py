"""Every key of Redis that is read or written here: its name, its type, what it means.

`<prefix>:<queue>:` is BullMQ's; the page "Redis" of the docs says which version. In it:

    wait               list    ids without a priority; the next to be taken at the tail
    prioritized        zset    id → priority · 2³² + a counter
    delayed            zset    id → due (epoch ms) · 4096 + a number within the millisecond
    active             list    ids that are being run, the newest at the head
    waiting-children   zset    id → since when (epoch ms)
    completed, failed  zset    id → end (epoch ms)
    <id>               hash    the job
    <id>:lock          string  token of its run; its expiry is the lease
    <id>:logs          list    log lines
    <id>:dependencies, :processed, :failed, :unsuccessful   a parent's children: pending, with their results, with
                               their reasons (the parent went on), and those that fail it
    marker             zset    wakes workers up: `0` now, `1` at its score
    meta               hash    paused, concurrency, max, duration, opts.maxLenEvents
    id, pc             string  how many jobs were added; the counter of `prioritized`
    events             stream  what happened
    stalled, stalled-check     BullMQ's own sweep for workers that are lost
    limiter            string  jobs started in the window that its expiry ends
    repeat, repeat:<schedule>  zset and hashes: schedules
    de:<key>, dn:<key>         who holds a deduplication key; the job that is kept for the owner's end
    metrics:…          hash, list   what ended in each minute

What BullMQ cannot say lives in `<prefix>::toril:<queue>:`, which no queue's name can collide with:

    arrived            zset    minute → `minute:how many had ever been added`
    bounds             hash    length: jobs that may wait or be delayed
    budget:<key>       hash    used, until: jobs added within a time
    cancel             hash    id → `run:who asked`: active jobs that are to be cancelled
    details            stream  what events have no field for, under their ids: an attempt's reason, a lost worker
    schedule:<id>      hash    last, ticks, declared: of a schedule
    expiry             zset    id → when it fails if nobody has started it (epoch ms)
    names:<id>         hash    child's key → name, of a parent: results are asked for by name when the child is gone
    paused             hash    by, why, at: who paused the queue
    step:<lane>        string  what a lane's last step did (msgpack), for an hour: it may be asked again
    sweep              string  held for 2 s by the worker that looks for lost ones

and in `<prefix>::toril:`:

    queues             set     queues that Toril has added to or served
    workers            zset    worker → last sign of life (epoch ms)
    worker:<id>        hash    host, pid, lease, queues; it expires with the lease
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

__all__ = ["Names", "names_for"]


@dataclass(frozen=True)
class Names:
    """The keys of one queue."""

    prefix: str
    queue: str

    @cached_property
    def base(self) -> str:
        """What BullMQ's keys begin with."""
        return f"{self.prefix}:{self.queue}:"

    @cached_property
    def own(self) -> str:
        """What Toril's own keys begin with."""
        return f"{self.prefix}::toril:{self.queue}:"

    @cached_property
    def pair(self) -> tuple[str, str]:
        """Both: the KEYS of a script."""
        return self.base, self.own


@lru_cache(maxsize=4096)
def names_for(prefix: str, queue: str) -> Names:
    """Return the keys of a queue."""
    return Names(prefix, queue)
