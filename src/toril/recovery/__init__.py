"""Copies of jobs and delivery log that can be put back, and the rule that nothing goes out by itself afterwards."""

from toril.recovery.archive import Manifest, Part
from toril.recovery.backup import back_up
from toril.recovery.holding import hold, release
from toril.recovery.places import Place, log_of, places_in, places_of
from toril.recovery.restore import Restored, restore, verify

__all__ = [
    "Manifest",
    "Part",
    "Place",
    "Restored",
    "back_up",
    "hold",
    "log_of",
    "places_in",
    "places_of",
    "release",
    "restore",
    "verify",
]
