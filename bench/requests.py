"""`python -m bench.requests [store]`: a web request that queues a mail, beside one that sends it to a slow server.

And one that does nothing: what the framework and the clients take. The clients are threads of one process, on
connections that stay open, and as light as they can be. store: the URL of the job store; without one, a SQLite file.
"""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from bench.smtp_server import smtp_server

SLOW = 2.0  # seconds that the mail server takes
CLIENTS = 4
EACH = {"nothing": 100, "queue": 100, "send": 3}  # requests of each client
MUST_MS, MUST_RATIO = 5.0, 25.0  # p50 of a request that queues; how much faster it is
SERVERS = {
    "async": ["uvicorn", "bench.web_apps:web", "--log-level", "warning", "--port"],
    "sync": ["gunicorn", "bench.web_apps:wsgi", "--threads", "8", "--log-level", "warning", "--bind"],
}


@contextmanager
def server(kind: str, folder: Path, smtp_port: int, store: str | None) -> Iterator[int]:
    """Run a web server while the block lasts; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    name, *arguments = SERVERS[kind]
    command = [sys.executable, "-m", name, *arguments, f"127.0.0.1:{port}" if kind == "sync" else str(port)]
    settings = {"BENCH_FOLDER": str(folder), "BENCH_PORT": str(smtp_port), **({"BENCH_STORE": store} if store else {})}
    with subprocess.Popen(command, env={**os.environ, **settings}) as process:
        try:
            while True:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def ask(port: int, path: str) -> list[float]:
    """Return the seconds of each request of one client."""
    took = []
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as client:
        for _ in range(EACH[path] + 1):
            begin = time.perf_counter()
            client.request("POST", f"/{path}")
            answer = client.getresponse()
            answer.read()
            took.append(time.perf_counter() - begin)
            assert answer.status < 400, answer.status
    return took[1:]  # the first one opens what is opened at the first use


def quantiles(port: int, path: str) -> tuple[float, float]:
    """Return p50 and p99 of a request, in milliseconds, while several clients ask."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        took = sorted(
            seconds * 1000 for each in pool.map(lambda _: ask(port, path), range(CLIENTS)) for seconds in each
        )
    return took[len(took) // 2], took[len(took) * 99 // 100]


def main(store: str | None = None) -> int:
    """Measure; exit with 1 if queueing takes longer than it must."""
    good = True
    print(f"{CLIENTS} clients; mail server takes {SLOW:g} s; store {store.partition(':')[0] if store else 'sqlite'}")
    for kind in SERVERS:
        with (
            tempfile.TemporaryDirectory(prefix="toril-bench-") as folder,
            smtp_server(SLOW) as smtp_port,
            server(kind, Path(folder), smtp_port, store) as port,
        ):
            nothing, queue, send = (quantiles(port, path) for path in EACH)
        ratio = send[0] / queue[0]
        good &= queue[0] <= MUST_MS and ratio >= MUST_RATIO
        print(
            f"  {kind:5} queues: p50 {queue[0]:.1f} ms, p99 {queue[1]:.1f} ms   "
            f"sends: p50 {send[0]:,.0f} ms, p99 {send[1]:,.0f} ms   {ratio:,.0f} times faster   "
            f"does nothing: p50 {nothing[0]:.1f} ms"
        )
    print(f"  must: p50 at most {MUST_MS:g} ms, {MUST_RATIO:g} times faster")
    return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.requests", description=__doc__)
    parser.add_argument("store", nargs="?", help="the URL of the job store; without one, a SQLite file")
    sys.exit(main(parser.parse_args().store))
