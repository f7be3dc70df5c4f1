"""The process that takes jobs, runs them and reports the outcome.

* `worker`     the parts of one, its start and its stop
* `lane`       one queue's jobs: taken and reported in batches
* `executor`   one job, in named steps
* `heartbeat`  the lease, renewed from a thread of its own
* `pool`       where sync and CPU-bound tasks run
* `banner`     what a worker says of itself at its start
"""

from toril.worker.worker import Worker

__all__ = ["Worker"]
