"""Mail about orders."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from toril.messaging.catalogue.fields import Amount, Count, Currency, Day, Line, Note
from toril.messaging.message import Context, WebURL

__all__ = ["OrderConfirmation", "OrderLine", "OrderStatus", "Refund"]


class OrderLine(Context):
    """One line of an order; `price` is for the whole line."""

    name: Line
    quantity: Count
    price: Amount


class OrderConfirmation(Context, kind="transactional", priority=1):
    """An order was placed; `discount` is what was taken off, `link` shows the order."""

    name: Line
    order_id: Line
    lines: Annotated[list[OrderLine], Field(min_length=1)]
    total: Amount
    currency: Currency
    discount: Amount | None = None
    shipping: Amount | None = None
    tax: Amount | None = None
    address: Note | None = None
    arrives_on: Day | None = None
    link: WebURL | None = None


class OrderStatus(Context, kind="transactional", priority=2):
    """An order has moved on; `link` shows the order, `tracking_link` the parcel, `note` is a sentence of your own."""

    name: Line
    order_id: Line
    status: Literal["processing", "shipped", "out-for-delivery", "ready-for-pickup", "delivered", "cancelled"]
    carrier: Line | None = None
    tracking_number: Line | None = None
    tracking_link: WebURL | None = None
    arrives_on: Day | None = None
    note: Note | None = None
    link: WebURL | None = None


class Refund(Context, kind="transactional", priority=2):
    """Money goes back; `method` is where to, `days` how many banking days it takes at most."""

    name: Line
    order_id: Line
    amount: Amount
    currency: Currency
    method: Line | None = None
    days: Count | None = None
    reason: Line | None = None
    link: WebURL | None = None
