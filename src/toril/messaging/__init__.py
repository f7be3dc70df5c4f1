"""Messages: typed, templated, sent by way of the queue, and each one's life told by the delivery log."""

from toril.errors import MissingExtra

try:
    import babel  # noqa: F401
    import css_inline  # noqa: F401
    import jinja2  # noqa: F401
    import sqlalchemy  # noqa: F401
except ImportError:
    raise MissingExtra("mail", "mail") from None

from toril.messaging.attachments import Attachment
from toril.messaging.brand import Brand
from toril.messaging.bulk import Recipient
from toril.messaging.handle import Batch, MailHandle
from toril.messaging.limits import MailLimits
from toril.messaging.message import Context, MessageType, SecretURL, WebURL
from toril.messaging.models import Base, EmailEvent, EmailLog, Status
from toril.messaging.outbox import Mailer

metadata = Base.metadata
"""The tables of the delivery log, for an application that keeps them among its own (see docs/mail.md)."""

__all__ = [
    "Attachment",
    "Batch",
    "Brand",
    "Context",
    "EmailEvent",
    "EmailLog",
    "MailHandle",
    "MailLimits",
    "Mailer",
    "MessageType",
    "Recipient",
    "SecretURL",
    "Status",
    "WebURL",
    "metadata",
]
