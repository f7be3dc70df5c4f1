"""Looks at everything that jobs and mails depend on, and says what is wrong and what to do."""

from toril.doctor.doctor import examine

__all__ = ["examine"]
