"""Messages: typed, templated, sent by way of the queue, and each one's life told by the delivery log."""

from toril.errors import MissingExtra

try:
    import alembic  # noqa: F401
    import babel  # noqa: F401
    import css_inline  # noqa: F401
    import jinja2  # noqa: F401
    import sqlalchemy  # noqa: F401
except ImportError:
    raise MissingExtra("mail", "mail") from None

from toril.messaging.brand import Brand
from toril.messaging.message import Context, MessageType, SecretURL, WebURL
from toril.messaging.models import EmailEvent, EmailLog, Status
from toril.messaging.outbox import Mailer, MailHandle

__all__ = [
    "Brand",
    "Context",
    "EmailEvent",
    "EmailLog",
    "MailHandle",
    "Mailer",
    "MessageType",
    "SecretURL",
    "Status",
    "WebURL",
]
