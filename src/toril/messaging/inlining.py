"""What is done to a template's HTML once, when it is loaded: CSS moves into the elements, text is derived.

Both work on HTML, and a template is HTML only between its Jinja tags; so each tag is first replaced by a word
or a comment that survives an HTML parser anywhere, and put back afterwards.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

import css_inline

__all__ = ["derive_text", "inline_css"]

_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_HELD = re.compile(r'<!--jinja(\d+)x-->|jinja(\d+)x(?:="")?')
# Where a comment would not be one: in a tag, a comment, or an element that holds only characters.
_ENCLOSURES = (("<!--", "-->"), ("<style", "</style"), ("<title", "</title"), ("<", ">"))
_LINE, _PARAGRAPH = "\v", "\f"  # wanted breaks, of which several in a row are one
_INLINER = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


def inline_css(source: str) -> str:
    """Return a whole HTML template with the rules of its <style> in the elements; @media rules stay."""
    held, protected = _protect(source)
    inlined = _INLINER.inline(protected)
    if "<tbody" not in source.lower():
        # The parser opens one before the first row, which may be inside a loop, and closes it once.
        inlined = inlined.replace("<tbody>", "").replace("</tbody>", "")
    return _restore(inlined, held)


def derive_text(source: str) -> str:
    """Return the plain-text template that says what an HTML template says."""
    held, protected = _protect(source)
    reader = _Reader()
    reader.feed(protected)
    reader.close()
    return _restore(reader.text(), held)


def _protect(source: str) -> tuple[list[str], str]:
    held: list[str] = []
    pieces: list[str] = []
    end = 0
    for tag in _TAG.finditer(source):
        pieces.append(source[end : tag.start()])
        end = tag.end()
        if tag.group().startswith("{#"):
            continue
        word = f"jinja{len(held)}x"
        before = source[: tag.start()].lower()
        pieces.append(word if _enclosed(before) else f"<!--{word}-->")
        held.append(tag.group())
    return held, "".join([*pieces, source[end:]])


def _enclosed(before: str) -> bool:
    before = _TAG.sub("", before)  # a `>` in an earlier expression closes nothing
    return any(before.rfind(start) > before.rfind(end) for start, end in _ENCLOSURES)


def _restore(text: str, held: list[str]) -> str:
    return _HELD.sub(lambda found: held[int(found[1] or found[2])], text)


class _Reader(HTMLParser):
    """Collects the text of a document, with line breaks where a reader would see them."""

    _PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "ul", "ol", "table", "hr", "blockquote"})
    _LINES = frozenset({"div", "tr", "li", "dt", "dd", "section"})
    _UNSEEN = frozenset({"head", "style", "script", "title"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        self._links: list[str] = []
        self._unseen = 0

    def text(self) -> str:
        text = re.sub(r"[ \xa0]+", " ", "".join(self._pieces))
        text = re.sub(rf" *[{_LINE}{_PARAGRAPH}][ {_LINE}{_PARAGRAPH}]*", _line_ends, text)
        return re.sub(r" *\n *", "\n", text).strip() + "\n"

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
            self._links.append(dict(attrs).get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in self._UNSEEN
        if tag == "a" and self._links and (link := self._links.pop()):
            shown = "".join(self._pieces).rstrip().endswith(link)
            self._pieces.append("" if shown else f" <{link}>")
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._pieces.append(re.sub(r"\s+", " ", data))

    def handle_comment(self, data: str) -> None:
        if data.startswith("jinja") and not self._unseen:
            self._pieces.append(data)

    def _break(self, tag: str) -> None:
        if tag in self._PARAGRAPHS:
            self._pieces.append(_PARAGRAPH)
        elif tag in self._LINES:
            self._pieces.append(_LINE)


def _line_ends(breaks: re.Match[str]) -> str:
    return "\n\n" if _PARAGRAPH in breaks.group() else "\n"
