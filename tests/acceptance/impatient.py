"""`toril worker` with a watchdog that waits for 2 seconds instead of 60: `impatient.py worker jobs:app …`."""

from __future__ import annotations

import toril.worker.watchdog
from toril.cli.main import main

toril.worker.watchdog.PATIENCE = 2.0
main()
