"""The message types that come with Toril: `mailer.send("welcome", …)` or `Welcome(name=…, link=…)`.

Priorities: 1 where somebody waits at the screen or minutes matter, 2 for news of money, parcels and files, 3 for what
may come an hour later. Subscribed are those that a recipient may not want, and can stop with one click.
"""

from __future__ import annotations

from typing import Any

from toril.messaging.catalogue.accounts import PasswordReset, VerificationCode, Welcome
from toril.messaging.catalogue.appointments import AppointmentConfirmation, AppointmentReminder, MedicationReminder
from toril.messaging.catalogue.courses import CourseCompletion, EnrolmentReminder
from toril.messaging.catalogue.orders import OrderConfirmation, OrderLine, OrderStatus, Refund
from toril.messaging.catalogue.payments import PaymentFailed, PaymentReceipt, PaymentReminder
from toril.messaging.catalogue.promotions import Promotion
from toril.messaging.catalogue.reports import ReportReady
from toril.messaging.message import Context, MessageType

__all__ = [
    "BUILT_IN",
    "AppointmentConfirmation",
    "AppointmentReminder",
    "CourseCompletion",
    "EnrolmentReminder",
    "MedicationReminder",
    "OrderConfirmation",
    "OrderLine",
    "OrderStatus",
    "PasswordReset",
    "PaymentFailed",
    "PaymentReceipt",
    "PaymentReminder",
    "Promotion",
    "Refund",
    "ReportReady",
    "VerificationCode",
    "Welcome",
]

_CONTEXTS: tuple[type[Context], ...] = (
    VerificationCode,
    Welcome,
    PasswordReset,
    PaymentReceipt,
    PaymentReminder,
    PaymentFailed,
    CourseCompletion,
    EnrolmentReminder,
    OrderConfirmation,
    OrderStatus,
    Refund,
    Promotion,
    AppointmentConfirmation,
    AppointmentReminder,
    MedicationReminder,
    ReportReady,
)

BUILT_IN: tuple[MessageType[Any], ...] = tuple(context.type for context in _CONTEXTS)
