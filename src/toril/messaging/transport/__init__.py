"""What carries messages out."""

from toril.messaging.transport.base import Begin, Busy, Envelope, NotNow, NotSent, Transport, Undecided
from toril.messaging.transport.breaker import Breaker, Health
from toril.messaging.transport.console import Console
from toril.messaging.transport.failover import Failover, guarded
from toril.messaging.transport.folder import Folder
from toril.messaging.transport.memory import Memory
from toril.messaging.transport.probe import probe
from toril.messaging.transport.resend import Resend
from toril.messaging.transport.smtp import SMTP
from toril.messaging.transport.transcript import Transcript
from toril.messaging.transport.url import transport_from_url

__all__ = [
    "SMTP",
    "Begin",
    "Breaker",
    "Busy",
    "Console",
    "Envelope",
    "Failover",
    "Folder",
    "Health",
    "Memory",
    "NotNow",
    "NotSent",
    "Resend",
    "Transcript",
    "Transport",
    "Undecided",
    "guarded",
    "probe",
    "transport_from_url",
]
