"""Mail in its usual shape, text and HTML, written from a prepared skeleton.

The stdlib's generator takes more than a millisecond a mail, this a few hundredths of one; tests read what it
writes with the stdlib's parser.
"""

from __future__ import annotations

from binascii import b2a_base64, b2a_qp
from collections.abc import Sequence
from email.utils import formatdate
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from toril.messaging.address import Address
from toril.messaging.header import fold

__all__ = ["Part", "Skeleton"]

_ASCII = bytes(range(128))
_LONGEST_LINE = 998  # RFC 5322 2.1.1
_BASE64_LINE = 57  # bytes that make a line of 76
_SHORT = 50  # characters of a parameter on one line


class Part(NamedTuple):
    """A file as it stands in a mail."""

    head: str
    body: bytes

    @staticmethod
    def make(name: str, media_type: str, content: bytes) -> Part:
        """Return the part of a file; `name` is one line."""
        head = (
            f"Content-Type: {media_type}\r\nContent-Transfer-Encoding: base64\r\n"
            f"Content-Disposition: attachment; {_parameter('filename', name)}\r\n\r\n"
        )
        return Part(head, _base64(content))


class Skeleton:
    """What all mails of one sender have in common."""

    def __init__(self, sender: Address) -> None:
        self._top = f"From: {sender.header()}\r\nMIME-Version: 1.0\r\n"

    def write(
        self,
        *,
        to: Address,
        subject: str,
        message_id: str,
        at: int,
        text: str,
        html: str,
        headers: Sequence[str] = (),
        files: Sequence[Part] = (),
    ) -> bytes:
        """Return the mail as bytes with CRLF line ends; `at` is epoch milliseconds.

        `message_id` is without angle brackets; `subject` is one line (`header.check_line`). headers: further ones,
        folded, each without its last line break.
        """
        boundary = f"=_{message_id.partition('@')[0]}"  # "=_" stands in neither quoted-printable nor base64
        while boundary in text or boundary in html:
            boundary += "_"
        more = "".join(f"{line}\r\n" for line in headers)
        head = (
            f"{self._top}To: {to.header()}\r\n{fold('Subject', subject)}\r\nDate: {_date(at // 1000)}\r\n"
            f"Message-ID: <{message_id}>\r\n{more}"
        )
        body = _alternatives(boundary, text, html)
        if files:
            body = _mixed(f"{boundary}=", body, files)
        return b"".join([head.encode("ascii"), *body])


def _alternatives(boundary: str, text: str, html: str) -> list[bytes]:
    line = f"--{boundary}".encode("ascii")
    return [
        f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode("ascii"),
        *(line, b'\r\nContent-Type: text/plain; charset="utf-8"\r\n', *_body(text)),
        *(line, b'\r\nContent-Type: text/html; charset="utf-8"\r\n', *_body(html)),
        *(line, b"--\r\n"),
    ]


def _mixed(boundary: str, body: Sequence[bytes], files: Sequence[Part]) -> list[bytes]:
    line = f"--{boundary}\r\n".encode("ascii")
    parts = [f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'.encode("ascii"), line, *body]
    for file in files:
        parts += [line, file.head.encode("ascii"), file.body]
    return [*parts, f"--{boundary}--\r\n".encode("ascii")]


@lru_cache(maxsize=8)
def _date(seconds: int) -> str:
    return formatdate(seconds)


def _body(text: str) -> tuple[bytes, bytes]:
    """Return the encoding header with the blank line, and the encoded text ending in a line break."""
    lines = _lines(text)
    raw = "\r\n".join(lines).encode()
    foreign = 0 if raw.isascii() else len(raw.translate(None, _ASCII))
    if not foreign and max(map(len, lines)) <= _LONGEST_LINE:
        return b"Content-Transfer-Encoding: 7bit\r\n\r\n", raw
    if foreign * 6 < len(raw):  # each foreign byte costs two more in quoted-printable, base64 a third of all
        return b"Content-Transfer-Encoding: quoted-printable\r\n\r\n", b2a_qp(raw)
    return b"Content-Transfer-Encoding: base64\r\n\r\n", _base64(raw)


def _parameter(name: str, value: str) -> str:
    """Return a parameter of a header, in pieces if need be (RFC 2231)."""
    if value.isascii() and len(value) <= _SHORT and not set('"\\') & set(value):
        return f'{name}="{value}"'
    coded = [quote(char, safe="") for char in value]
    pieces = [""]
    for char in coded:
        if len(pieces[-1]) + len(char) > _SHORT:
            pieces.append("")
        pieces[-1] += char
    pieces[0] = f"utf-8''{pieces[0]}"
    if len(pieces) == 1:
        return f"{name}*={pieces[0]}"
    return ";\r\n ".join(f"{name}*{number}*={piece}" for number, piece in enumerate(pieces))


def _lines(text: str) -> list[str]:
    """Return the lines of a text, with an empty one behind the last line break."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    return lines if len(lines) > 1 and not lines[-1] else [*lines, ""]


def _base64(raw: bytes) -> bytes:
    view = memoryview(raw)
    return b"".join(
        b2a_base64(view[start : start + _BASE64_LINE], newline=False) + b"\r\n"
        for start in range(0, len(raw), _BASE64_LINE)
    )
