"""Who must not get which mail.

A suppression has a scope: all mail (the address is dead), all that is subscribed, or one category of it. So a complaint
about advertising never blocks a password reset, and a hard bounce blocks both.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from toril.errors import InvalidOption
from toril.messaging.models import EmailLog, EmailSuppression, Query
from toril.messaging.texts import as_texts, texts

__all__ = [
    "ALL",
    "SUBSCRIBED",
    "Suppression",
    "chosen_for",
    "fingerprint",
    "forms",
    "reasons",
    "scope_of",
    "suppressed",
]

ALL, SUBSCRIBED = "all", "subscribed"

_chosen: Query = select(EmailSuppression.address, EmailSuppression.scope, EmailSuppression.reason).where(
    EmailSuppression.address.in_(texts("places"))
)
_SCOPE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Suppression(NamedTuple):
    """An entry of the list. `address` is a hash if its owner asked to be forgotten; `created_at` is epoch ms."""

    address: str
    scope: str
    reason: str
    detail: str
    created_at: int


def fingerprint(address: str) -> str:
    """Return what stays of an address in lower case whose owner asked to be forgotten."""
    return f"sha256:{hashlib.sha256(address.encode()).hexdigest()}"


def forms(recipient: str) -> tuple[str, str]:
    """Return how an address may stand in the list."""
    address = recipient.lower()
    return address, fingerprint(address)


def scope_of(scope: str) -> str:
    """Return a scope if it is one; raise InvalidOption."""
    if not isinstance(scope, str) or not _SCOPE.fullmatch(scope):
        raise InvalidOption(f"scope: expected {ALL}, {SUBSCRIBED} or a category of lower-case words, got {scope!r}")
    return scope


def suppressed(connection: Connection, mails: Sequence[EmailLog]) -> dict[str, str]:
    """Return for each mail (by id) that must not be sent why not."""
    return reasons(mails, connection.execute(_chosen, {"places": _places(mails)}).all())


def chosen_for(mails: Iterable[EmailLog]) -> Query:
    """Return the query of all suppressions of the recipients of some mails, for `reasons` to read."""
    return _chosen.params(places=_places(mails))


def reasons(mails: Iterable[EmailLog], rows: Sequence[Any]) -> dict[str, str]:
    """Return what `suppressed` does, of what `chosen_for` has found."""
    found: dict[str, list[tuple[str, str]]] = {}
    for address, scope, reason in rows:
        found.setdefault(address, []).append((scope, reason))
    return {mail.id: why for mail in mails if found for why in _reasons(mail, found)}


def _places(mails: Iterable[EmailLog]) -> str:
    return as_texts({form for mail in mails for form in forms(mail.recipient)})


def _reasons(mail: EmailLog, found: dict[str, list[tuple[str, str]]]) -> Iterator[str]:
    for form in forms(mail.recipient):
        for scope, reason in found.get(form, ()):
            if scope == ALL or (mail.kind == SUBSCRIBED and scope in {SUBSCRIBED, mail.category}):
                yield f"{reason} (scope {scope})"
