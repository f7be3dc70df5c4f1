"""When a schedule runs next: pure arithmetic, in BullMQ's dialect, without a clock of its own.

* `Cron`    fires when the wall clock of a time zone shows what its line names
* `Every`   fires at a fixed distance
"""

from toril.schedule.cron import Cron
from toril.schedule.every import Every

Schedule = Cron | Every

__all__ = ["Cron", "Every", "Schedule"]
