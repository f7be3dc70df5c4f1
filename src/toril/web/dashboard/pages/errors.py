"""Failures in groups of a kind, of all queues; a group is retried as a whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from toril import Queue
from toril.fingerprint import FailureGroup, Failures
from toril.web.dashboard.visit import Visit
from toril.web.overview import failures
from toril.wording import number_of

__all__ = ["PAGES", "Group", "worst"]

_SHOWN = 50  # groups of a page, the largest


@dataclass(frozen=True, slots=True)
class Group:
    """A group and its queue."""

    queue: str
    group: FailureGroup

    @property
    def title(self) -> str:
        """What its failures have in common, as a person would name it."""
        found = self.group.fingerprint
        return found.exception or found.message or "No reason given"

    @property
    def filter(self) -> str:
        """The search that finds it, as near as the language comes."""
        found = self.group.fingerprint
        words = max(found.message.replace('"', " ").replace(">", "<").split("<")[::2], key=len, default="").strip()
        parts = ["state:failed", f"name:{json.dumps(found.task, ensure_ascii=False)}"]
        return " ".join([*parts, *(f'error:"{text}"' for text in (found.exception, words) if text)])


def worst(queues: Sequence[Queue], found: Sequence[Failures], most: int) -> list[Group]:
    """Return the largest groups of some queues, given what was found in each."""
    groups = [Group(queue.name, group) for queue, one in zip(queues, found, strict=True) for group in one.groups]
    return sorted(groups, key=lambda one: (-one.group.count, -one.group.last))[:most]


async def show(visit: Visit) -> Response:
    """Show the groups of all queues, or of one."""
    queues = await visit.app.queues()
    wanted = visit.ask("queue")
    chosen = [queue for queue in queues if not wanted or queue.name == wanted]
    found = await failures(chosen)
    return visit.page(
        "errors.html",
        active="errors",
        groups=worst(chosen, found, _SHOWN),
        looked=sum(one.looked for one in found),
        total=sum(one.total for one in found),
        kinds=sum(len(one.groups) for one in found),
        queue=wanted,
    )


async def retry(visit: Visit) -> Response:
    """Let all jobs of a group run again."""
    queue, kind = visit.queue, visit.said("group")
    async with visit.acting("retry-group", queue.name, detail=kind) as act:
        act.count = await queue.retry_failures(kind)
    return visit.back(visit.url("errors"), f"Retried {number_of(act.count, 'job')} of {queue.name}.")


PAGES = [("GET", "/errors", show), ("POST", "/errors/{queue}/retry", retry)]
