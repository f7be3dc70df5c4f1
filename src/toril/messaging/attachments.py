"""Files that go with a message: from memory, from a path, or from a link that is read when the message is accepted."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from toril.errors import InvalidMessage
from toril.messaging.fetching import fetch
from toril.messaging.header import check_line

__all__ = ["Attachment", "Loaded", "load"]

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,120}")
_LONGEST_NAME = 200
_MOST = 30


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to attach.

    source: its bytes; a Path; or an https:// link, which is read when the message is accepted, so that what goes out
    is what was accepted. name: what the recipient sees; default: that of the path or link. media_type: such as
    `application/pdf`; default: what the name says.
    """

    source: bytes | Path | str
    name: str = ""
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file that was read and checked. `hash` is the SHA-256 of `content`."""

    name: str
    media_type: str
    content: bytes = field(repr=False)
    hash: str


async def load(
    given: Sequence[Attachment | Path], limit: int, private_hosts: Collection[str] = ()
) -> tuple[Loaded, ...]:
    """Read and check attachments, all together at most `limit` bytes.

    private_hosts: those whose links may lead to an address that is not public. Raises InvalidMessage.
    """
    if not isinstance(given, Sequence):
        raise InvalidMessage(f"attachments: expected a list of Attachment(…) or Paths, got {type(given).__name__}")
    if len(given) > _MOST:
        raise InvalidMessage(f"attachments: expected at most {_MOST}, got {len(given)}")
    loaded: list[Loaded] = []
    for index, one in enumerate(given):
        field = f"attachments[{index}]"
        attachment = Attachment(one) if isinstance(one, Path) else one
        if not isinstance(attachment, Attachment):
            raise InvalidMessage(f"{field}: expected Attachment(…) or a Path, got {type(one).__name__}")
        left = limit - sum(len(file.content) for file in loaded)
        content = await _read(attachment.source, field, left, private_hosts)
        if len(content) > left:
            raise InvalidMessage(f"{field}: expected at most {limit:,} bytes of attachments altogether")
        loaded.append(_checked(attachment, content, field))
    return tuple(loaded)


async def _read(source: object, field: str, limit: int, private_hosts: Collection[str]) -> bytes:
    if isinstance(source, bytes):
        return source
    if isinstance(source, str) and "://" in source:
        return await fetch(source, field, limit, private_hosts)
    if not isinstance(source, Path):
        raise InvalidMessage(f"{field}: expected bytes, a Path or an https:// link, got {type(source).__name__}")
    try:
        return await asyncio.to_thread(_read_file, source, limit)
    except OSError as error:
        raise InvalidMessage(f"{field}: {source} cannot be read: {error.strerror}") from None


def _read_file(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit + 1)


def _checked(attachment: Attachment, content: bytes, field: str) -> Loaded:
    name = attachment.name or _usual_name(attachment.source)
    if not name or len(name) > _LONGEST_NAME:
        raise InvalidMessage(f"{field}: expected a name of 1 to {_LONGEST_NAME} characters")
    check_line(name, f"{field}.name")
    if "/" in name or "\\" in name:
        raise InvalidMessage(f"{field}.name: expected a file name without a folder")
    media_type = (attachment.media_type or mimetypes.guess_type(name)[0] or "application/octet-stream").lower()
    if not _MEDIA_TYPE.fullmatch(media_type) or media_type.startswith(("multipart/", "message/")):
        raise InvalidMessage(f"{field}.media_type: expected such as application/pdf, got {attachment.media_type!r}")
    return Loaded(name, media_type, content, hashlib.sha256(content).hexdigest())


def _usual_name(source: bytes | Path | str) -> str:
    if isinstance(source, Path):
        return source.name
    return PurePosixPath(unquote(urlsplit(source).path)).name if isinstance(source, str) else ""
