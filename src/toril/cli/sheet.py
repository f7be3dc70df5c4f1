"""How one job is printed for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from toril.cli.output import printable

__all__ = ["sheet"]


def sheet(job: Mapping[str, Any], now: int) -> Iterator[str]:
    """Yield the lines that tell of a job, given as the admin API's JobOut; now: epoch milliseconds."""
    yield f"{printable(job['name'])} {printable(job['id'])} in {printable(job['queue'])}: {job['state']}"
    for label, text in _facts(job, now):
        yield f"{label:<11}{printable(text)}"
    for label, value in (("data", job["data"]), ("options", job["options"]), ("result", job["result"])):
        if value not in (None, {}):
            yield from _block(label, json.dumps(value, ensure_ascii=False, indent=2).splitlines())
    for child in job["children"]:
        at = f"{printable(child['queue'])} {printable(child['id'])}"
        yield f"{'child':<11}{printable(child['name'])} {at}: {child['ended'] or child['state'] or 'gone'}"
    for number, trace in enumerate(reversed(job["stack"])):
        yield from _block("failure" if number == 0 else "before that", trace.splitlines())
    if job["log"]:
        yield from _block("log", job["log"])


def _facts(job: Mapping[str, Any], now: int) -> Iterator[tuple[str, str]]:
    from toril.web.words import ago, moment, times

    yield "why", times(job["why"]["text"])
    for event in job["timeline"]:
        yield event["what"], f"{moment(event['at'])} ({ago(event['at'], now)})"
    stalls = f", {job['stalls']} lost with their worker" if job["stalls"] else ""
    yield "attempts", f"{job['attempts']} of {job['options'].get('attempts') or 1}, {job['starts']} starts{stalls}"
    for label in ("reason", "priority", "progress", "schedule", "parent"):
        if job[label] not in (None, 0) and str(job[label]) not in job["why"]["text"]:
            yield label, job[label] if isinstance(job[label], str) else json.dumps(job[label], ensure_ascii=False)


def _block(label: str, lines: list[str]) -> Iterator[str]:
    yield label
    for line in lines:
        yield f"  {printable(line)}"
