"""The message types that come with Toril."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from toril.messaging.message import Context, MessageType, SecretURL, WebURL

__all__ = ["BUILT_IN", "OrderConfirmation", "OrderLine", "PasswordReset", "Welcome"]

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Amount = Annotated[Decimal, Field(allow_inf_nan=False)]


class Welcome(Context):
    """Somebody has just signed up; `link` is where they go on."""

    name: Text
    link: WebURL


class PasswordReset(Context):
    """Somebody asked for a new password; `link` lets its reader in for `valid_minutes` minutes."""

    name: Text
    link: SecretURL
    valid_minutes: Annotated[int, Field(gt=0)] = 60


class OrderLine(Context):
    """One line of an order; `price` is for the whole line."""

    name: Text
    quantity: Annotated[int, Field(gt=0)]
    price: Amount


class OrderConfirmation(Context):
    """An order was placed; `currency` is an ISO 4217 code such as EUR, `link` shows the order."""

    name: Text
    order_id: Text
    lines: Annotated[list[OrderLine], Field(min_length=1)]
    total: Amount
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")]
    link: WebURL | None = None


BUILT_IN: tuple[MessageType[Any], ...] = (
    MessageType("welcome", Welcome, kind="transactional", priority=3),
    MessageType("password-reset", PasswordReset, kind="transactional", priority=1),
    MessageType("order-confirmation", OrderConfirmation, kind="transactional", priority=1),
)
