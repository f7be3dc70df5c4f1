"""The plain text of a mail, made of its HTML template once, when it is loaded."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from toril.messaging.inlining import protect, restore

__all__ = ["derive_text"]

_LINE, _PARAGRAPH = "\v", "\f"  # wanted breaks, of which several in a row are one
_IN_LINE, _BUTTON = " <{}>", f":{_LINE}{{}}{_PARAGRAPH}"  # how the address of a link goes after its words


def derive_text(source: str) -> str:
    """Return the plain-text template that says what an HTML template says."""
    held, protected = protect(source)
    reader = _Reader()
    reader.feed(protected)
    reader.close()
    return restore(_trimmed(reader.text(), held), held)


def _trimmed(text: str, held: list[str]) -> str:
    """Return `text` with its breaks as line ends, such that a statement of Jinja leaves no trace but what it says.

    Jinja drops a line end behind a statement and the spaces before one at the start of a line.
    """
    statements = "|".join(str(number) for number, tag in enumerate(held) if tag.startswith("{%")) or "none"
    run = re.compile(rf"(?:[ \n{_LINE}{_PARAGRAPH}]|jinja(?:{statements})x)+")

    def lines(found: re.Match[str]) -> str:
        if not any(char in found[0] for char in (_LINE, _PARAGRAPH)):
            return re.sub(r" *\n *", "\n", found[0])
        pieces = re.split(r"(jinja\d+x)", found[0])
        written = ""
        for gap, statement in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
            ends = "\n\n" if _PARAGRAPH in gap else "\n" if _LINE in gap or "\n" in gap else ""
            glued = ends and written and "\n" not in written  # behind a statement at the end of words
            written += ("\n" if glued else "") + ends + statement
        return written

    return run.sub(lines, text).strip() + "\n"


class _Reader(HTMLParser):
    """Collects the text of a document, with line breaks where a reader would see them."""

    _PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "ul", "ol", "table", "hr", "blockquote"})
    _LINES = frozenset({"div", "tr", "li", "dt", "dd", "section"})
    _UNSEEN = frozenset({"head", "style", "script", "title"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        self._links: list[tuple[str, str]] = []
        self._unseen = 0

    def text(self) -> str:
        """Return what was read, with the wanted breaks in it."""
        return re.sub(r"[ \xa0]+", " ", "".join(self._pieces))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in self._UNSEEN
        self._break(tag)
        if tag == "br":
            self._pieces.append("\n")
        elif tag == "li":
            self._pieces.append("- ")
        elif tag == "td":
            self._pieces.append(" ")
        elif tag == "a":
            known = dict(attrs)
            button = known.get("class") == "button"
            self._links.append((known.get("href") or "", _BUTTON if button else _IN_LINE))
            self._pieces.append(_PARAGRAPH if button else "")
        elif tag == "img":
            self._pieces.append(dict(attrs).get("alt") or "")

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in self._UNSEEN
        if tag == "th":
            self._pieces.append(":")
        if tag == "a" and self._links:
            self._end_link(*self._links.pop())
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._pieces.append(re.sub(r"\s+", " ", data))

    def handle_comment(self, data: str) -> None:
        if data.startswith("jinja") and not self._unseen:
            self._pieces.append(data)

    def _end_link(self, link: str, form: str) -> None:
        if link and not "".join(self._pieces).rstrip().endswith(link):
            self._pieces.append(form.format(link))

    def _break(self, tag: str) -> None:
        if tag in self._PARAGRAPHS:
            self._pieces.append(_PARAGRAPH)
        elif tag in self._LINES:
            self._pieces.append(_LINE)
