"""Mail about payments."""

from __future__ import annotations

from toril.messaging.catalogue.fields import Amount, Currency, Day, Line
from toril.messaging.message import Context, WebURL

__all__ = ["PaymentFailed", "PaymentReceipt", "PaymentReminder"]


class PaymentReceipt(Context, kind="transactional", priority=2):
    """A payment has arrived: `number` is the receipt's, `item` what it was for, `method` such as "Visa •••• 4242"."""

    name: Line
    number: Line
    item: Line
    amount: Amount
    currency: Currency
    paid_on: Day
    method: Line | None = None
    link: WebURL | None = None


class PaymentReminder(Context, kind="transactional", priority=3):
    """A payment is open; `link` is where to pay it."""

    name: Line
    item: Line
    amount: Amount
    currency: Currency
    link: WebURL
    due_on: Day | None = None


class PaymentFailed(Context, kind="transactional", priority=2):
    """A payment did not go through; `reason` is the bank's, in words for the customer, `link` where to try again."""

    name: Line
    item: Line
    amount: Amount
    currency: Currency
    link: WebURL
    reason: Line | None = None
    next_try_on: Day | None = None
