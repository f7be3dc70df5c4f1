"""`python -m bench`: medians of interleaved rounds, each as a ratio to the bare loop of the same run."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from bench.latency import across_processes, in_one_process
from bench.measures import Jobs, bare_loop, make_app
from toril.worker.loop import run

ROUNDS = 5
MUST = {"drain": 0.09, "bulk": 0.3, "one by one": 0.024}  # ratios to the bare loop
MUST_MS = {"in one process": 1.0, "across processes": 2.0}  # p50


async def rates(folder: Path) -> dict[str, list[float]]:
    """Return the figures of all rounds, in tasks or jobs per second."""
    figures: dict[str, list[float]] = {}
    app = make_app(folder)
    jobs = Jobs(app)
    async with app:
        for _ in range(ROUNDS):
            for name, measure in (
                ("bare loop", bare_loop),
                ("bulk", jobs.bulk),
                ("drain", jobs.drain),
                ("one by one", jobs.one_by_one),
                ("together", jobs.together),
            ):
                figures.setdefault(name, []).append(await measure())
    return figures


def show_rates(figures: dict[str, list[float]]) -> bool:
    """Print the rates; return whether all are as good as they must be."""
    bare = statistics.median(figures["bare loop"])
    good = True
    print(f"{'':12} {'median/s':>10} {'min':>10} {'max':>10} {'of bare':>8} {'must':>6}")
    for name, values in figures.items():
        median = statistics.median(values)
        ratio, must = median / bare, MUST.get(name)
        good &= must is None or ratio >= must
        print(
            f"{name:12} {median:>10,.0f} {min(values):>10,.0f} {max(values):>10,.0f} {ratio:>8.3f} "
            f"{'' if must is None else must:>6}"
        )
    return good


def show_latency(name: str, samples: list[float]) -> bool:
    """Print the latency of an idle worker; return whether its p50 is as good as it must be."""
    ordered = sorted(samples)
    p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    print(f"enqueue → start, {name:17} p50 {p50:.2f} ms  p99 {p99:.2f} ms  must: p50 under {MUST_MS[name]:g} ms")
    return p50 < MUST_MS[name]


def main() -> int:
    """Measure everything; exit with 1 if something is slower than it must be."""
    with tempfile.TemporaryDirectory(prefix="toril-bench-") as name:
        folder = Path(name)
        good = show_rates(run(rates(folder)))
        good &= show_latency("in one process", run(in_one_process(folder)))
        good &= show_latency("across processes", run(across_processes(folder)))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
