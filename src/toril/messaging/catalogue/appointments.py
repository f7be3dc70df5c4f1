"""Mail about appointments and medication. Dates and times are those of the clinic or of the patient's day."""

from __future__ import annotations

from toril.messaging.catalogue.fields import Day, Line, Note, TimeOfDay
from toril.messaging.message import Context, WebURL

__all__ = ["AppointmentConfirmation", "AppointmentReminder", "MedicationReminder"]


class Appointment(Context):
    """What both mails show: `reason` is such as "Vaccination for Milo", `link` is where it can be changed."""

    client_name: Line
    appointment_date: Day
    appointment_time: TimeOfDay
    reason: Line | None = None
    practitioner: Line | None = None
    location: Line | None = None
    note: Note | None = None
    link: WebURL | None = None


class AppointmentConfirmation(Appointment, kind="transactional", priority=1):
    """An appointment was made."""


class AppointmentReminder(Appointment, kind="transactional", priority=2):
    """An appointment is near."""


class MedicationReminder(Context, kind="transactional", priority=1):
    """It is time for a medicine; `recipient` is who gets it where that is not the reader, such as a pet."""

    name: Line
    medication: Line
    dose: Line
    at: TimeOfDay
    recipient: Line | None = None
    instructions: Note | None = None
    link: WebURL | None = None
