"""What one message says beside its template: copies, reply address, headers of its own, whether it is a test."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from toril.errors import InvalidMessage
from toril.messaging.address import Address
from toril.messaging.header import check_line, fold

__all__ = ["Extras", "addresses"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,75}")
_RESERVED = frozenset(
    {"bcc", "cc", "content-transfer-encoding", "content-type", "date", "dkim-signature", "from", "list-unsubscribe"}
    | {"list-unsubscribe-post", "message-id", "mime-version", "received", "reply-to", "return-path", "sender"}
    | {"subject", "to", "x-toril-test"}
)
_MOST_COPIES = 50


@dataclass(frozen=True, slots=True)
class Extras:
    """cc, reply_to: addresses as they stand in the header. headers: name → one line of text.

    to: whom the mail is addressed to, if this row is a copy for somebody else. files: how many are attached.
    """

    to: Address | None = None
    cc: tuple[Address, ...] = ()
    reply_to: Address | None = None
    headers: tuple[tuple[str, str], ...] = ()
    test: bool = False
    files: int = 0

    @staticmethod
    def check(
        cc: str | Sequence[str] = (),
        reply_to: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        to: str | None = None,
        test: bool = False,
        files: int = 0,
    ) -> Extras:
        """Return them checked; raise InvalidAddress, and InvalidMessage for a header that Toril writes itself."""
        if not isinstance(headers or {}, Mapping):
            raise InvalidMessage(f"headers: expected a mapping of names to lines, got {type(headers).__name__}")
        return Extras(
            Address.parse(to, "to") if to is not None else None,
            addresses(cc, "cc"),
            Address.parse(reply_to, "reply_to") if reply_to is not None else None,
            tuple(_header(name, value) for name, value in (headers or {}).items()),
            test,
            files,
        )

    def lines(self) -> list[str]:
        """Return the header lines, each without its line break."""
        lines = []
        if self.cc:
            lines.append("Cc: " + ",\r\n ".join(address.header() for address in self.cc))
        if self.reply_to:
            lines.append(f"Reply-To: {self.reply_to.header()}")
        lines += [fold(name, value) for name, value in self.headers]
        if self.test:
            lines.append("X-Toril-Test: yes")
        return lines

    def to_json(self) -> str:
        """Return what `from_json` reads; empty if there is nothing."""
        body: dict[str, object] = {}
        if self.to:
            body["to"] = str(self.to)
        if self.cc:
            body["cc"] = [str(address) for address in self.cc]
        if self.reply_to:
            body["reply_to"] = str(self.reply_to)
        if self.headers:
            body["headers"] = dict(self.headers)
        if self.test:
            body["test"] = True
        if self.files:
            body["files"] = self.files
        return json.dumps(body, ensure_ascii=False) if body else ""

    @staticmethod
    def from_json(text: str) -> Extras:
        """Read what `to_json` wrote."""
        return Extras.check(**json.loads(text)) if text else Extras()


def addresses(given: str | Sequence[str], field: str) -> tuple[Address, ...]:
    """Return a list of addresses; one alone may stand for itself. Raises InvalidAddress, InvalidMessage."""
    if isinstance(given, Mapping) or not isinstance(given, Collection):
        raise InvalidMessage(f"{field}: expected an address or a list of them, got {type(given).__name__}")
    listed = [given] if isinstance(given, str) else list(given)
    if len(listed) > _MOST_COPIES:
        raise InvalidMessage(f"{field}: expected at most {_MOST_COPIES} addresses, got {len(listed)}; see send_many")
    return tuple(Address.parse(one, f"{field}[{index}]") for index, one in enumerate(listed))


def _header(name: str, value: str) -> tuple[str, str]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidMessage(f"headers: expected names such as X-Campaign, got {name!r}")
    if name.lower() in _RESERVED:
        raise InvalidMessage(f"headers[{name!r}]: Toril writes this one itself; expected another name")
    if not isinstance(value, str):
        raise InvalidMessage(f"headers[{name!r}]: expected one line of text, got {type(value).__name__}")
    return name, check_line(value, f"headers[{name!r}]")
