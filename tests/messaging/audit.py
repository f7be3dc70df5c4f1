"""The delivery log's story of each mail against the server's."""

from __future__ import annotations

import sys
from collections import defaultdict

from chaos import Chaos, Deed
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from toril.messaging.models import EmailEvent, EmailLog

_TOLD = {"deferred", "failed", "unknown", "sent"}


class Story:
    """What the log tells of one mail: its row, and what became of each of its dialogues."""

    def __init__(self, row: EmailLog, events: list[EmailEvent]) -> None:
        self.row = row
        self.lines = [(event.event, event.detail) for event in events if event.event in _TOLD]

    def __repr__(self) -> str:
        return f"{self.row.recipient} {self.row.status}: {self.lines}"

    @property
    def undecided(self) -> int:
        """How often nobody knew."""
        return sum(event == "unknown" for event, _ in self.lines)


def read(url: str) -> list[Story]:
    """Return the stories of a log."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    events = defaultdict(list)
    with Session(engine) as session:
        for event in session.scalars(select(EmailEvent).order_by(EmailEvent.id)):
            events[event.email_id].append(event)
        stories = [Story(row, events[row.id]) for row in session.scalars(select(EmailLog))]
    engine.dispose()
    return stories


def agrees(line: tuple[str, str], deed: Deed) -> bool:
    """Whether a line of the log tells what the server did."""
    event, detail = line
    return event == deed.event and (deed.text is None or detail.startswith(deed.text))


def connecting(line: tuple[str, str]) -> bool:
    """Whether a line is about a connection that never got as far as a mail."""
    return line[1].startswith(("no connection", "454 "))


def duplicates(stories: list[Story], chaos: Chaos) -> dict[str, int]:
    """Return the recipients whose mail the server took more than once."""
    kept = {story.row.recipient: sum(deed.kept for deed in chaos.deeds[story.row.recipient]) for story in stories}
    return {recipient: times for recipient, times in kept.items() if times > 1}


def report(*words: object) -> None:
    """Print, for whoever runs the test with -s or reads of its failure."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
