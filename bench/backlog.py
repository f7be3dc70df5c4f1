"""`python -m bench.backlog`: what a job costs while many wait: CPU of adding, taking and listing a page.

The same at 10,000 and at 1,000,000 waiting jobs, in rounds that alternate between two files; a ratio of 1 means that
the backlog costs nothing. CPU, not time: other processes of the machine do not count.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from toril import Toril
from toril.options import Keep
from toril.settings import Settings
from toril.store.runs import Completed, Run
from toril.store.views import WorkerInfo
from toril.worker.loop import run

SMALL, LARGE = 10_000, 1_000_000
ROUNDS = 11
JOBS = 2_000  # of one round and kind
PAGES = 200
STEP = 100  # jobs that one step takes
MUST = 1.2  # the cost at 1,000,000 as a ratio to that at 10,000

Measure = Callable[[], Awaitable[int]]


class Backlog:
    """A queue in which so many jobs wait, on a file of its own; each measure leaves it as it was."""

    def __init__(self, folder: Path, waiting: int) -> None:
        url = f"sqlite:///{folder / f'{waiting}.db'}"
        self.app = Toril(url, settings=Settings(env={}, dotenv=None))
        self.queue = self.app.queue("backlog")
        self.waiting = waiting
        self.worker = ""

    async def fill(self) -> None:
        """Let the jobs wait, in the file: what is still in its log is copied while other things are measured."""
        for _ in range(0, self.waiting, SMALL):
            await self.queue.add_many([("noop", {"n": 1})] * SMALL)
        await self.app.close()  # after a last checkpoint; it opens again when it is used
        self.worker = await self.app.store.enrol(WorkerInfo("bench", "here", 1, 1e6, {"backlog": STEP}))

    async def add(self) -> int:
        """Add jobs in bulk; return how many."""
        await self.queue.add_many([("noop", {"n": 1})] * JOBS)
        return JOBS

    async def take(self) -> int:
        """Take and complete as many, in the steps of a busy worker."""
        outcomes: list[Completed] = []
        for _ in range(JOBS // STEP):
            step = await self.app.store.step("backlog", self.worker, outcomes, [], STEP)
            outcomes = [Completed(Run(job.id, job.starts, job.token), "null", Keep(0)) for job in step.taken]
        await self.app.store.step("backlog", self.worker, outcomes, [], 0)
        return JOBS

    async def list_pages(self) -> int:
        """Go through pages of 100 from both ends, with the counts that a screen shows beside them."""
        for newest in (False, True):
            after = None
            for _ in range(PAGES // 2):
                page = await self.queue.jobs("waiting", limit=100, after=after, newest=newest)
                after = page.after
                await self.queue.counts()
        return PAGES * 100


async def cpu(measure: Measure) -> float:
    """Return the microseconds of CPU that one job of a measure costs, all threads of the process together."""
    begin = time.process_time()
    jobs = await measure()
    return (time.process_time() - begin) / jobs * 1e6


async def figures(folder: Path) -> dict[str, tuple[list[float], list[float]]]:
    """Return for each kind the figures of all rounds, at the small and at the large backlog."""
    small, large = Backlog(folder, SMALL), Backlog(folder, LARGE)
    found: dict[str, tuple[list[float], list[float]]] = {"add": ([], []), "take": ([], []), "page": ([], [])}
    async with small.app, large.app:
        await small.fill()
        await large.fill()
        for number in range(ROUNDS + 1):
            for place, backlog in enumerate((small, large)):
                for name, measure in (("add", backlog.add), ("take", backlog.take), ("page", backlog.list_pages)):
                    cost = await cpu(measure)
                    if number:  # the first round warms the caches
                        found[name][place].append(cost)
        await show_screens(large)
    return found


async def show_screens(large: Backlog) -> None:
    """Print how long a page of each kind takes with the large backlog, for orientation."""
    queue = large.queue
    for name, look in (
        ("page by key", lambda: queue.jobs("waiting", limit=100)),
        ("page by offset 9,900", lambda: queue.jobs("waiting", limit=100, offset=9_900)),
        ("counts", queue.counts),
        ("counts by priority", queue.counts_by_priority),
        ("search name:x*", lambda: queue.search("name:x*")),
        ("search data.n:2", lambda: queue.search("state:waiting data.n:2")),
        ("metrics of a week", lambda: queue.metrics(10_080)),
        ("failures", queue.failures),
    ):
        begin = time.perf_counter()
        answer = await look()
        looked = f", looked at {answer.looked:,} of {answer.total:,}" if hasattr(answer, "looked") else ""
        print(f"{name:22} {(time.perf_counter() - begin) * 1000:7.1f} ms{looked}")


def main() -> int:
    """Measure; exit with 1 if the large backlog costs more than it may."""
    with tempfile.TemporaryDirectory(prefix="toril-bench-") as name:
        found = run(figures(Path(name)))
    good = True
    print(f"{'µs of CPU a job':16} {SMALL:>10,} {LARGE:>10,} {'ratio':>7} {'must':>6}")
    for kind, (small, large) in found.items():
        low, high = statistics.median(small), statistics.median(large)
        good &= high / low <= MUST
        print(f"{kind:16} {low:>10.1f} {high:>10.1f} {high / low:>7.2f} {MUST:>6}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
