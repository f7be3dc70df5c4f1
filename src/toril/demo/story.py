"""What the demo sends: 300 mails in three templates, to addresses of which some are difficult."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

__all__ = ["DEFERRED", "MAILS", "REFUSED", "Mail", "mails"]

MAILS = 300
REFUSED = "moved-away@example.com"  # the server says 550: it will never take it
DEFERRED = frozenset(f"customer{n}@example.com" for n in range(0, MAILS, 20))  # 451 the first time

_NAMES = ("Ana", "Björn", "Chi", "Đặng", "Emre", "Françoise", "Grace", "Håkon", "Ivo", "Jürgen")


class Mail(NamedTuple):
    """One mail to send."""

    template: str
    to: str
    context: dict[str, Any]


def mails() -> Iterator[Mail]:
    """Yield the mails of the story, each to an address of its own."""
    for n in range(MAILS):
        to = REFUSED if n == MAILS // 2 else f"customer{n}@example.com"
        name = _NAMES[n % len(_NAMES)]
        match n % 3:
            case 0:
                yield Mail("welcome", to, {"name": name, "link": "https://shop.example.com/start"})
            case 1:
                link = f"https://shop.example.com/reset/{n:06x}"
                yield Mail("password-reset", to, {"name": name, "link": link})
            case _:
                yield Mail("order-confirmation", to, _order(n, name))


def _order(n: int, name: str) -> dict[str, Any]:
    price = Decimal(f"{5 + n % 40}.90")
    lines = [
        {"name": "Rosemary seedling", "quantity": 2, "price": price},
        {"name": "Clay pot", "quantity": 1, "price": Decimal("7.50")},
    ]
    link = f"https://shop.example.com/orders/{1000 + n}"
    return {
        "name": name,
        "order_id": str(1000 + n),
        "lines": lines,
        "total": price + Decimal("7.50"),
        "currency": "EUR",
        "link": link,
    }
