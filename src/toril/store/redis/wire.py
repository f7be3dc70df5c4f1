"""Who else drives a queue: refuses those whose wire and ours would corrupt each other.

Bull 3 and 4 keep priorities, pauses and schedules in keys of their own, which nobody else heeds. BullMQ 5 and 6 hold
the jobs of a paused queue in different lists, and each loses what the other has put away. Whatever wrote a newer
`meta.version` drives the queue now: what older versions have left there does no harm.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from toril.errors import StoreRefused

__all__ = ["refuse_foreign"]

_BULLMQ = re.compile(r"bullmq:(?:pro:)?(\d+)")
_SHARED = 6  # the first version of BullMQ that speaks this wire
_ADVICE = "Give one of them another queue or another prefix (TORIL_PREFIX)"


def refuse_foreign(queue: str, base: str, found: Sequence[str]) -> None:
    """Raise StoreRefused if `found`, the answer of `wire.lua`, tells of another wire; `base`: of the queue's keys."""
    version, bull, five = found
    known = _BULLMQ.match(version)
    if known and int(known[1]) < _SHARED:
        raise StoreRefused(
            f"queue {queue} is driven by {version.replace(':', ' ')} ({base}meta): a pause would lose jobs between it "
            f"and Toril, which speaks BullMQ {_SHARED}. Move its Node programs to bullmq@{_SHARED}. {_ADVICE}. If "
            f"nothing of that version is left: HDEL {base}meta version"
        )
    if bull:
        raise StoreRefused(
            f"queue {queue} holds jobs of Bull 3 or 4 (told by the key {bull}), another wire under the same names: "
            f"each would corrupt the other's jobs. {_ADVICE}; let Bull's own workers empty the old one"
        )
    if five:
        raise StoreRefused(
            f"queue {queue} holds jobs of BullMQ 5 (told by the key {five}): a pause would lose jobs between it and "
            f"Toril, which speaks BullMQ {_SHARED}. Move its Node programs to bullmq@{_SHARED}, and resume the queue "
            f"with it. {_ADVICE}"
        )
