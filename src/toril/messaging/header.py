"""Mail headers: folding, encoded words, and the refusal of anything that would start another header."""

from __future__ import annotations

import re
from base64 import b64encode

from toril.errors import InvalidMessage

__all__ = ["check_line", "encode_words", "fold"]

_LINE = 76
_WORD_BYTES = 39  # with "=?utf-8?b?" and "?=" 64 characters: fits beside "Subject: " on the first line
_LONGEST_ASCII_WORD = 200
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def check_line(value: str, field: str) -> str:
    """Return `value` if it is one line of text; raise InvalidMessage (header injection) otherwise."""
    if _FORBIDDEN.search(value):
        raise InvalidMessage(f"{field}: expected one line of text, without line breaks or control characters")
    return value


def encode_words(text: str) -> str:
    """Return `text` as RFC 2047 encoded words, one a line, cut between characters."""
    raw = text.encode()
    words, start = [], 0
    while start < len(raw):
        end = min(start + _WORD_BYTES, len(raw))
        while end < len(raw) and raw[end] & 0xC0 == 0x80:  # noqa: PLR2004  (inside a UTF-8 character)
            end -= 1
        words.append(f"=?utf-8?b?{b64encode(raw[start:end]).decode('ascii')}?=")
        start = end
    return "\r\n ".join(words)


def fold(name: str, value: str) -> str:
    """Return the header `name: value` of free text with its line breaks, without the last one."""
    words = value.split(" ")
    foldable = value.isascii() and "=?" not in value and value == " ".join(value.split())
    if not foldable or max(map(len, words)) > _LONGEST_ASCII_WORD:
        return f"{name}: {encode_words(value)}"
    lines, line = [], f"{name}: {words[0]}"
    for word in words[1:]:
        if len(line) + 1 + len(word) > _LINE:
            lines.append(line)
            line = ""
        line = f"{line} {word}"
    return "\r\n".join([*lines, line])
