"""What was said in one attempt to hand a mail over, line by line."""

from __future__ import annotations

import time

__all__ = ["Transcript", "cleaned", "parted"]

_FIRST, _LAST = 20, 40  # lines that are kept of very many
_WIDTH = 300  # characters of a line
_LONGEST = 1_000  # characters of a reply
_SLOW = 1.0  # seconds after which an answer is told to have taken them
_SEAM = "\n= "


class Transcript:
    """Lines in their order: `= ` with whom, and what happened; `> ` what we said; `< ` what was answered.

    A transport writes them, a note first, and leaves out what is secret or the mail itself. Long lines are cut.
    """

    __slots__ = ("_asked_at", "_lines")

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._asked_at = 0.0

    def note(self, text: str) -> None:
        """Write down with whom it is from now on, or what happened."""
        self._asked_at = time.monotonic()
        self._lines.append(f"= {text[:_WIDTH]}")

    def said(self, text: str) -> None:
        """Write down what we said, in one line."""
        self._asked_at = time.monotonic()
        self._lines.append(f"> {text[:_WIDTH]}")

    def heard(self, code: int, text: str) -> None:
        """Write down an answer: its code, and its lines joined by line breaks."""
        took = time.monotonic() - self._asked_at
        if "\n" in text:
            self._lines.extend(f"< {code} {line[:_WIDTH]}" for line in text.split("\n"))
        else:
            self._lines.append(f"< {code} {text[:_WIDTH]}")
        if took >= _SLOW:
            self.note(f"after {took:.1f} s")

    def below(self, what: str) -> str:
        """Return what happened as the first line of a text, and below it what was said; of very many lines some."""
        lines = self._lines
        if not lines:
            return what
        if len(lines) > _FIRST + _LAST:
            lines = [*lines[:_FIRST], f"= {len(lines) - _FIRST - _LAST} lines left out", *lines[-_LAST:]]
        if not "".join(lines).isprintable():
            lines = [cleaned(line) for line in lines]
        return "\n".join([what, *lines])


def parted(text: str) -> tuple[str, list[str]]:
    """Return of a text that `below` made what happened, and the lines of what was said."""
    what, seam, said = text.partition(_SEAM)
    return what, f"= {said}".split("\n") if seam else []


def cleaned(reply: str) -> str:
    """Return a reply as one line of text that every database takes, whatever bytes the server sent."""
    if reply.isprintable():  # as nearly all are
        return reply[:_LONGEST]
    text = reply.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(char if char.isprintable() else " " for char in text[:_LONGEST])
