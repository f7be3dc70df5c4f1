"""Mail in its usual shape, text and HTML, written from a prepared skeleton.

The stdlib's generator takes more than a millisecond a mail, this a few hundredths of one; tests read what it
writes with the stdlib's parser.
"""

from __future__ import annotations

from binascii import b2a_base64, b2a_qp
from email.utils import formatdate
from functools import lru_cache

from toril.messaging.address import Address
from toril.messaging.header import fold

__all__ = ["Skeleton"]

_ASCII = bytes(range(128))
_LONGEST_LINE = 998  # RFC 5322 2.1.1
_BASE64_LINE = 57  # bytes that make a line of 76


class Skeleton:
    """What all mails of one sender have in common."""

    def __init__(self, sender: Address) -> None:
        self._top = f"From: {sender.header()}\r\nMIME-Version: 1.0\r\n"

    def write(self, *, to: Address, subject: str, message_id: str, at: int, text: str, html: str) -> bytes:
        """Return the mail as bytes with CRLF line ends; `at` is epoch milliseconds.

        `message_id` is without angle brackets; `subject` is one line (`header.check_line`).
        """
        boundary = f"=_{message_id.partition('@')[0]}"  # "=_" stands in neither quoted-printable nor base64
        while boundary in text or boundary in html:
            boundary += "_"
        head = (
            f"{self._top}To: {to.header()}\r\n{fold('Subject', subject)}\r\nDate: {_date(at // 1000)}\r\n"
            f"Message-ID: <{message_id}>\r\n"
            f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'
        )
        line = f"--{boundary}".encode("ascii")
        parts = [head.encode("ascii")]
        parts += [line, b'\r\nContent-Type: text/plain; charset="utf-8"\r\n', *_body(text)]
        parts += [line, b'\r\nContent-Type: text/html; charset="utf-8"\r\n', *_body(html)]
        parts += [line, b"--\r\n"]
        return b"".join(parts)


@lru_cache(maxsize=8)
def _date(seconds: int) -> str:
    return formatdate(seconds)


def _body(text: str) -> tuple[bytes, bytes]:
    """Return the encoding header with the blank line, and the encoded text ending in a line break."""
    raw = _canonical(text)
    foreign = 0 if raw.isascii() else len(raw.translate(None, _ASCII))
    if not foreign and max(map(len, raw.split(b"\r\n"))) <= _LONGEST_LINE:
        return b"Content-Transfer-Encoding: 7bit\r\n\r\n", raw
    if foreign * 6 < len(raw):  # each foreign byte costs two more in quoted-printable, base64 a third of all
        return b"Content-Transfer-Encoding: quoted-printable\r\n\r\n", b2a_qp(raw)
    return b"Content-Transfer-Encoding: base64\r\n\r\n", _base64(raw)


def _canonical(text: str) -> bytes:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    if not lines.endswith("\n"):
        lines += "\n"
    return lines.replace("\n", "\r\n").encode()


def _base64(raw: bytes) -> bytes:
    view = memoryview(raw)
    return b"".join(
        b2a_base64(view[start : start + _BASE64_LINE], newline=False) + b"\r\n"
        for start in range(0, len(raw), _BASE64_LINE)
    )
