"""`python -m bench`: medians of interleaved rounds, each as a ratio to the bare loop measured just before it.

A shared machine is faster in one second than in the next: only what is measured side by side compares.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from bench.latency import across_processes, in_one_process
from bench.measures import Jobs, bare_loop, make_app
from toril.worker.loop import run

ROUNDS = 7
MUST = {"drain": 0.09, "bulk": 0.3, "one by one": 0.024}  # ratios to the bare loop
MUST_MS = {"in one process": 1.0, "across processes": 2.0}  # p50


async def rates(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Return the figures of all rounds: jobs a second, and the bare loop's tasks a second beside them."""
    figures: dict[str, list[tuple[float, float]]] = {}
    app = make_app(folder)
    jobs = Jobs(app)
    async with app:
        for _ in range(ROUNDS):
            for name, measure in (
                ("bulk", jobs.bulk),
                ("drain", jobs.drain),
                ("one by one", jobs.one_by_one),
                ("together", jobs.together),
            ):
                bare = await bare_loop()
                figures.setdefault(name, []).append((await measure(), bare))
    return figures


def show_rates(figures: dict[str, list[tuple[float, float]]]) -> bool:
    """Print the rates; return whether all are as good as they must be."""
    good = True
    bare = [beside for pairs in figures.values() for _, beside in pairs]
    print(f"bare loop: median {statistics.median(bare):,.0f} tasks/s, {min(bare):,.0f} to {max(bare):,.0f}")
    print(f"{'':12} {'median/s':>10} {'min':>10} {'max':>10} {'of bare':>8} {'must':>6}")
    for name, pairs in figures.items():
        values = [value for value, _ in pairs]
        median = statistics.median(values)
        ratio, must = statistics.median(value / beside for value, beside in pairs), MUST.get(name)
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
