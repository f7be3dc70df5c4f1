"""`python -m bench.million`: every GET route of `toril serve` beside a queue of a million jobs, one request at a time.

The store is filled once, through its own seam, and kept in `--cache`. Of each way to ask a route: how long it took, and
the CPU time of the server and of Redis, which holds on a busy machine, too. Exits with 1 if a p95 is above `--must`, an
answer is an error, or a route has not been asked.
"""

from __future__ import annotations

import argparse
import contextlib
import html
import json
import math
import shutil
import smtplib
import sys
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_plus

import httpx
import redis

from bench.million.filling import QUEUE, SCHEDULE, fill_jobs, fill_mail
from bench.million.routes import NEXT, Case, cases, routes_of
from bench.million.serving import cpu_of, free_port, redis_server, serve
from bench.million.site import make_app
from toril.store.views import ScheduleRecord
from toril.web.desk import Desk
from toril.web.server import API, DASHBOARD
from toril.worker.loop import run

PASSWORD = "a password of the bench"
MAILS = 200_000
CPU_MS = 30.0  # of a request that is answered in time on a busy machine, too
FILLED = "filled"  # a file that says that all is there


class Figures(NamedTuple):
    """Milliseconds of the requests of one case, in their order, and the CPU that one took: the server's, Redis's."""

    case: Case
    took: list[float]
    server: float
    store: float
    faults: list[str]

    def quantile(self, share: float) -> float:
        """Return the time that so large a share of the requests did not exceed."""
        return sorted(self.took)[math.ceil(len(self.took) * share) - 1]


class Walk:
    """Asks a server, as a browser and as a program."""

    def __init__(
        self, api: httpx.Client, browser: httpx.Client, cpu: Callable[[], tuple[float, float]], times: int
    ) -> None:
        self._api, self._browser, self._cpu, self._times = api, browser, cpu, times

    def measure(self, case: Case) -> Figures:
        """Ask one case so many times."""
        client = self._browser if case.path.startswith(DASHBOARD) else self._api
        took: list[float] = []
        faults: list[str] = []
        query, before = dict(case.query), self._cpu()
        for _ in range(self._times):
            begin = time.perf_counter()
            status, text = _first_event(client, case.path, query) if case.stream else _whole(client, case.path, query)
            took.append((time.perf_counter() - begin) * 1000)
            if status >= 300:
                faults.append(f"{status} {text[:80]}")
            if case.follow:
                after = _next(text)
                query = {**case.query, "after": after} if after else dict(case.query)
        server, store = ((now - then) * 1000 / len(took) for now, then in zip(self._cpu(), before, strict=True))
        return Figures(case, took, server, store, faults)


def _whole(client: httpx.Client, path: str, query: dict[str, str]) -> tuple[int, str]:
    answer = client.get(path, params=query)
    return answer.status_code, answer.text


def _first_event(client: httpx.Client, path: str, query: dict[str, str]) -> tuple[int, str]:
    with client.stream("GET", path, params=query) as answer:
        next(line for line in answer.iter_lines() if line.startswith("event:"))
        return answer.status_code, ""


def _next(text: str) -> str | None:
    """Return the mark of the next page, of a list or of a page for people."""
    if text.startswith("{"):
        after: str | None = json.loads(text).get("after")
        return after
    found = NEXT.search(text)
    return unquote_plus(html.unescape(found[1])) if found else None


def fill(kind: str, jobs: int, folder: Path) -> None:
    """Fill a store and its mail."""
    begin = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)  # what an earlier attempt has left
    folder.mkdir(parents=True)
    with opened(kind, folder, keep=True) as store:
        counts = run(fill_jobs(store, folder, jobs))
        if (found := run(_counts(store, folder))) != counts:
            raise SystemExit(f"filled wrongly: expected {counts}, found {found}")
    fill_mail(folder, MAILS)
    (folder / FILLED).touch()
    print(f"filled {folder} in {time.monotonic() - begin:.0f} s", file=sys.stderr)


@contextlib.contextmanager
def opened(kind: str, folder: Path, *, keep: bool = False) -> Iterator[str]:
    """Have a store on what a folder has; yield its URL. keep: what is written to it is there the next time."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'jobs.db'}"
        return
    with redis_server(folder, keep=keep) as url:
        yield url


async def _counts(store: str, folder: Path) -> dict[object, int]:
    async with make_app(store, folder) as app:
        return dict((await app.store.info(QUEUE)).counts)


async def _let_in(store: str, folder: Path) -> str:
    """Make a user, a token, and a schedule that pages show; return the token."""
    async with make_app(store, folder) as app:
        every = ScheduleRecord(SCHEDULE, QUEUE, None, None, 86_400_000, "skip", "report", "{}", "{}")
        await app.store.put_schedule(every, immediately=False)
        desk = Desk(app)
        await desk.users.put("bench", PASSWORD, ["admin"])
        return (await desk.tokens.create("bench", ["admin"], days=1))[1]


def _send_mail(port: int) -> None:
    """Put a mail into the development mailbox."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@example.com", "ana@example.com", "Welcome"
    mail.set_content("Hello.")
    mail.add_alternative("<p>Hello.</p>", subtype="html")
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.send_message(mail)


def measure(kind: str, given: argparse.Namespace) -> bool:
    """Measure one store; return whether all is as it must be."""
    folder = given.cache / f"{kind}-{given.jobs}"
    if not (folder / FILLED).exists():
        fill(kind, given.jobs, folder)
    with opened(kind, folder) as store:
        token, mailbox = run(_let_in(store, folder)), free_port()
        with (
            serve(store, folder, mailbox) as (url, pid),
            httpx.Client(base_url=url, timeout=60, headers={"Authorization": f"Bearer {token}"}) as api,
            httpx.Client(base_url=url, timeout=60) as browser,
        ):
            _send_mail(mailbox)
            answer = browser.post(
                f"{DASHBOARD}/login", data={"name": "bench", "password": PASSWORD}, headers={"Origin": url}
            )
            if answer.status_code != 303:
                raise SystemExit(f"no login: {answer.status_code} {answer.text[:200]}")
            side = redis.Redis.from_url(store) if kind == "redis" else None
            if side is not None:
                side.config_set("slowlog-log-slower-than", 1_000)
                side.config_set("slowlog-max-len", 100_000)
                side.slowlog_reset()
            walk = Walk(api, browser, lambda: (cpu_of(pid), _redis_cpu(side)), given.requests)
            missing = routes_of(api.get(f"{API}/openapi.json").json())
            found = []
            for case in cases(api):
                missing.discard(case.route)
                if given.only in f"{case.route} {case.label}":
                    found.append(walk.measure(case))
                    _show(found[-1], given.must)
            if side is not None:
                print(f"the longest command held Redis for {_longest(side):.1f} ms")
        return _verdict(kind, found, missing, given.must)


def _redis_cpu(client: redis.Redis | None) -> float:
    if client is None:
        return 0.0
    used = client.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])


def _longest(client: redis.Redis) -> float:
    """Return the milliseconds of the longest command since the log of slow ones was emptied."""
    return max((entry["duration"] for entry in client.slowlog_get(100_000)), default=0) / 1000


def _show(found: Figures, must: float) -> None:
    p50, p95 = found.quantile(0.5), found.quantile(0.95)
    bad = "  ABOVE" if p95 > must else "  first" if found.took[0] > must else ""
    print(
        f"{p50:7.1f} {p95:7.1f} {max(found.took):7.1f} {found.took[0]:7.1f} {found.server:7.1f} {found.store:6.1f}  "
        f"{found.case.route}  {found.case.label}{bad}{''.join(f'  {fault}' for fault in found.faults[:1])}",
        flush=True,
    )


def _verdict(kind: str, found: list[Figures], missing: set[str], must: float) -> bool:
    slow = [one for one in found if one.quantile(0.95) > must]
    faulty = [one for one in found if one.faults]
    for route in sorted(missing):
        print(f"BAD {kind}: nothing asks {route}")
    good = not (slow or faulty or missing)
    busy = sum(one.server > CPU_MS for one in found)
    print(
        f"{'ok ' if good else 'BAD'} {kind}: {len(found)} ways to ask, {len(slow)} above {must:g} ms (p95), "
        f"{len(faulty)} with errors, {busy} with more than {CPU_MS:g} ms of the server's CPU"
    )
    return good


def main() -> int:
    """Measure the stores that are asked for; exit with 1 if something is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m bench.million", description=__doc__)
    parser.add_argument("--store", choices=["sqlite", "redis"], action="append", help="default: both")
    parser.add_argument("--jobs", type=int, default=1_000_000, help="in one queue, 25,000 at least")
    parser.add_argument("--requests", type=int, default=20, help="of each way to ask a route")
    parser.add_argument("--must", type=float, default=100.0, help="milliseconds that 95 of 100 requests may take")
    parser.add_argument("--only", default="", help="ask only where this stands in route and label")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "toril-bench" / "million")
    given = parser.parse_args()
    print("    p50     p95     max   first  CPU ms  Redis  route")
    good = [measure(kind, given) for kind in given.store or ("sqlite", "redis")]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
