"""What is done to a template's HTML once, when it is loaded: CSS moves into the elements, buttons get a frame.

A template is HTML only between its Jinja tags; so each tag is first replaced by a word or a comment that survives
an HTML parser anywhere, and put back afterwards.
"""

from __future__ import annotations

import re

import css_inline

__all__ = ["inline_css", "protect", "restore"]

_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_HELD = re.compile(r'<!--jinja(\d+)x-->|jinja(\d+)x(?:="")?')
# Where a comment would not be one: in a tag, a comment, or an element that holds only characters.
_ENCLOSURES = (("<!--", "-->"), ("<style", "</style"), ("<title", "</title"), ("<", ">"))
_STYLE = re.compile(r"<style>.*?</style>\n?", re.DOTALL)
_LINK = r'<a\b[^>]*\bclass="button"[^>]*>.*?</a>'
_BUTTON = re.compile(rf"<p>\s*({_LINK})\s*</p>|({_LINK})", re.DOTALL)
# Outlook on Windows pads table cells, not links, and knows the first by a name of its own (see layout.html).
_FRAME = (
    '<table role="presentation" class="button-frame" cellpadding="0" cellspacing="0" border="0">'
    '<tr><td class="button-cell" align="center">{}</td></tr></table>'
)
_INLINER = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


def inline_css(source: str) -> str:
    """Return a whole HTML template with the rules of its <style> in the elements; @media rules stay.

    A link of class `button` becomes a table cell, the only thing that all mail clients paint as a button.
    """
    held, protected = protect(source)
    framed = _BUTTON.sub(lambda link: _FRAME.format(link[1] or link[2]), protected)
    inlined = _INLINER.inline(framed)
    if style := _STYLE.search(inlined):
        # It comes out before the charset, which has to stand among the first 1,024 bytes.
        inlined = _STYLE.sub("", inlined, count=1).replace("</head>", f"{style[0].strip()}\n</head>", 1)
    if "<tbody" not in source.lower():
        # The parser opens one before the first row, which may be inside a loop, and closes it once.
        inlined = inlined.replace("<tbody>", "").replace("</tbody>", "")
    return restore(inlined, held)


def protect(source: str) -> tuple[list[str], str]:
    """Return the Jinja tags of a template and its HTML with something harmless in their places."""
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


def restore(text: str, held: list[str]) -> str:
    """Return `text` with the tags that `protect` took out back in their places."""
    return _HELD.sub(lambda found: held[int(found[1] or found[2])], text)
