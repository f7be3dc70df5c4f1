"""What carries messages out."""

from toril.messaging.transport.base import Begin, Envelope, NotSent, Transport, Undecided
from toril.messaging.transport.console import Console
from toril.messaging.transport.memory import Memory
from toril.messaging.transport.probe import probe
from toril.messaging.transport.smtp import SMTP
from toril.messaging.transport.url import transport_from_url

__all__ = [
    "SMTP",
    "Begin",
    "Console",
    "Envelope",
    "Memory",
    "NotSent",
    "Transport",
    "Undecided",
    "probe",
    "transport_from_url",
]
