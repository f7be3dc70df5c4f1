"""`python -m bench.redis`: interleaved rounds of all peers; medians, and medians of the rounds' ratios to Node.

Must (of the ratios to Node in the same run): drain 1.3, bulk 2, single adds 1.2, Redis µs of a drained job below 1,
latency p50 0.8; drain 10 times that of the Python port.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from bench.redis.peers import PEERS, Peer, install
from bench.redis.runner import Bench, Void

Round = dict[str, dict[str, float]]  # figures by peer

MUST = {  # (measure, over whom): the ratio, and whether it is at least or at most that
    ("drained/s", "node"): (1.3, "≥"),
    ("drained/s", "port"): (10, "≥"),
    ("bulk adds/s", "node"): (2, "≥"),
    ("single adds/s", "node"): (1.2, "≥"),
    ("drain redis µs", "node"): (1, "≤"),
    ("latency p50 ms", "node"): (0.8, "≤"),
}


def measure(bench: Bench, peer: Peer) -> dict[str, float]:
    """Return all figures of one peer in one round."""
    figures: dict[str, float] = {}
    for work in (bench.bulk_and_drain, bench.single_adds, bench.latency):
        try:
            figures |= work(peer)
        except Void as why:
            print(f"void: {why}", file=sys.stderr)
    return figures


def rounds(bench: Bench, peers: list[Peer], count: int, keep: Path | None) -> list[Round]:
    """Measure every peer in every round, each of which begins with another one; keep what is known after each."""
    found: list[Round] = []
    for number in range(count):
        found.append({})
        for place in range(len(peers)):
            peer = peers[(number + place) % len(peers)]
            found[-1][peer.name] = measure(bench, peer)
            print(f"round {number + 1}, {peer.name}: done", file=sys.stderr)
        if keep is not None:
            keep.write_text(json.dumps(found, indent=1))
    return found


def values(found: list[Round], peer: str, name: str) -> list[float]:
    """Return a figure of a peer in all rounds that have it."""
    return [one[peer][name] for one in found if name in one.get(peer, {})]


def ratio(found: list[Round], peer: str, over: str, name: str) -> float:
    """Return the median of what the rounds say: two peers are measured right after each other there."""
    both = [one for one in found if name in one.get(peer, {}) and name in one.get(over, {})]
    return statistics.median(one[peer][name] / one[over][name] for one in both) if both else float("nan")


def show(found: list[Round]) -> None:
    """Print the medians with their range, and the ratio to Node's; then what must be."""
    names = dict.fromkeys(name for one in found for figures in one.values() for name in figures)
    for name in names:
        print(name)
        for peer in found[0]:
            if of := values(found, peer, name):
                told = f"{statistics.median(of):>12,.2f}  [{min(of):,.2f} – {max(of):,.2f}]"
                print(f"  {peer:6} {told}  {ratio(found, peer, 'node', name):.2f} × node")
    for (name, over), (wanted, how) in MUST.items():
        reached = ratio(found, "toril", over, name)
        good = reached >= wanted if how == "≥" else reached <= wanted
        print(f"{'ok ' if good else 'BAD'} {name} over {over}: {reached:.2f}, must be {how} {wanted}")


def main() -> None:
    """Measure, print, and write what `--json` names."""
    parser = argparse.ArgumentParser(prog="python -m bench.redis", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--peers", default=",".join(PEERS), help="which of them, separated by commas")
    parser.add_argument("--port", type=int, default=6_399, help="of the private server")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "toril-bench", help="where peers live")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    given = parser.parse_args()
    known = install(given.cache)
    with tempfile.TemporaryDirectory(prefix="toril-bench-") as folder:
        bench = Bench(Path(folder), given.port, concurrency=given.concurrency, jobs=given.jobs)
        try:
            found = rounds(bench, [known[name] for name in given.peers.split(",")], given.rounds, given.json)
        finally:
            bench.close()
    show(found)


if __name__ == "__main__":
    main()
