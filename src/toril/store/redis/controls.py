"""What an operator, or a program in their place, does to queues, jobs and schedules in Redis."""

from __future__ import annotations

from collections.abc import Sequence

from toril.errors import HeldByNode, WrongState
from toril.job import JobState
from toril.limits import Limits
from toril.options import Policy
from toril.store.redis import looking
from toril.store.redis.keys import names_for
from toril.store.redis.searching import read_place
from toril.store.redis.views import Views
from toril.store.views import Cleaned, ScheduleRecord

__all__ = ["Controls"]


class Controls(Views):
    """The verbs that change what waits, or what has ended."""

    async def pause(self, queue: str, by: str, why: str) -> None:
        """See Store.pause."""
        await self._admit({queue})
        await self._script("pause", queue, (by, why))

    async def resume(self, queue: str) -> None:
        """See Store.resume."""
        await self._script("resume", queue, ())

    async def retry(self, queue: str, state: JobState, job_ids: Sequence[str] | None) -> Sequence[str]:
        """See Store.retry."""
        if state not in {JobState.COMPLETED, JobState.FAILED}:
            return []
        return list(await self._script("retry", queue, (state, *_chosen(job_ids))))

    async def set_limits(self, queue: str, limits: Limits) -> None:
        """See Store.set_limits."""
        rate = limits.rate
        arguments = (limits.concurrency or "", rate.n if rate else "", rate.milliseconds if rate else "")
        await self._admit({queue})
        await self._script("limits", queue, arguments)

    async def cancel(self, queue: str, job_id: str, by: str) -> JobState | None:
        """See Store.cancel. Raises HeldByNode for a job that one of Node's workers runs."""
        record = await self.get(queue, job_id)
        if record is None:
            return None
        keep = looking.kept(Policy.from_json(record.opts).keep_failed)
        answer = await self._script("cancel", queue, (job_id, by, *keep))
        if answer is None:
            return None
        state, worker = JobState(answer[0]), answer[1]
        if state is JobState.ACTIVE and not worker.startswith("toril:"):
            raise HeldByNode(job_id, worker)
        if record.schedule is not None and state not in {JobState.ACTIVE, JobState.COMPLETED, JobState.FAILED}:
            await self._schedules.advance(record)  # the schedule goes on
        return state

    async def limit_length(self, queue: str, max_length: int | None) -> None:
        """See Store.limit_length."""
        await self._admit({queue})
        bounds = f"{names_for(self._prefix, queue).own}bounds"
        if max_length is None:
            await self._client().call("HDEL", bounds, "length")
        else:
            await self._client().call("HSET", bounds, "length", max_length)

    async def dedup_owner(self, queue: str, key: str) -> str | None:
        """See Store.dedup_owner."""
        owner: str | None = await self._script("keyed", queue, (key, ""))
        return owner

    async def forget_dedup(self, queue: str, key: str) -> bool:
        """See Store.forget_dedup."""
        return await self._script("keyed", queue, (key, "1")) is not None

    async def promote(self, queue: str, job_ids: Sequence[str] | None) -> Sequence[str]:
        """See Store.promote."""
        return list(await self._script("promote", queue, _chosen(job_ids)))

    async def change(self, queue: str, job_id: str, due: int | None, priority: int | None, data: str | None) -> bool:
        """See Store.change."""
        arguments = (_shown(due), _shown(priority), "" if data is None else "1", data or "")
        return bool(await self._script("change", queue, (job_id, *arguments)))

    async def remove(self, queue: str, job_ids: Sequence[str], *, children: bool) -> Sequence[str]:
        """See Store.remove."""
        return list(await self._script("remove", queue, ("1" if children else "", *dict.fromkeys(job_ids))))

    async def remove_children(self, queue: str, job_id: str) -> int | None:
        """See Store.remove_children."""
        removed, cursor = 0, "0"
        while told := await self._script("remove_children", queue, (job_id, cursor)):
            removed, cursor = removed + int(told[0]), told[1]
            if cursor == "0":
                return removed
        return removed or None

    async def detach(self, queue: str, job_id: str) -> bool | None:
        """See Store.detach."""
        detached = await self._script("detach", queue, (job_id,))
        return None if detached is None else bool(detached)

    async def clean(self, queue: str, state: JobState, before: int, limit: int, after: str | None) -> Cleaned:
        """See Store.clean."""
        ids, place, job_id = await self._script("clean", queue, (state, before, limit, *read_place(after)))
        return Cleaned(ids, f"{place}/{job_id}" if place else None)

    async def obliterate(self, queue: str, *, force: bool) -> int:
        """See Store.obliterate."""
        count, *more = await self._script("obliterate", queue, ("1" if force else "",))
        if count == -1:
            raise WrongState(f"queue {queue} is not paused: pause it first, so that nothing is taken meanwhile")
        if count == -2:  # noqa: PLR2004  (see the script)
            raise WrongState(f"queue {queue} has {more[0]} active jobs: wait for their end, or use force")
        if count == 0:
            await self._client().call("SREM", f"{self._prefix}::toril:queues", queue)
            self._known.discard(queue)
        return int(count)

    async def put_schedule(self, schedule: ScheduleRecord, *, immediately: bool) -> bool:
        """See Store.put_schedule."""
        await self._admit({schedule.queue})
        for queue in {*await self.queues()} - {schedule.queue}:
            other = await self._schedules.read(queue, schedule.id)
            if other and other.is_ours:  # it has moved; on BullMQ, each queue has ids of its own
                await self._schedules.remove(queue, schedule.id)
        return await self._schedules.put(schedule, immediately=immediately)

    async def remove_schedule(self, queue: str, schedule_id: str) -> bool:
        """See Store.remove_schedule."""
        return await self._schedules.remove(queue, schedule_id)


def _chosen(job_ids: Sequence[str] | None) -> Sequence[str]:
    return ("1",) if job_ids is None else ("", *dict.fromkeys(job_ids))


def _shown(number: int | None) -> int | str:
    return "" if number is None else number
