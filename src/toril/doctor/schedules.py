"""Schedules that code once declared and declares no more: they go on making jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toril.finding import Finding

if TYPE_CHECKING:
    from toril.app import Toril

__all__ = ["look_at_schedules"]


async def look_at_schedules(app: Toril) -> list[Finding]:
    """Look at the schedules of the queues that the application serves."""
    stale = app.stale_schedules(await app.store.schedules())
    advice = "toril schedules prune removes it, if no other application declares it"
    return [
        Finding(f"schedule {found.id}", "wrong", "the application declares it no more", advice) for found in stale
    ] or [Finding("schedules", "ok", "as the application declares them")]
