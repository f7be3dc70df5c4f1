"""What is asked of each GET route. A route of the OpenAPI document or of the dashboard without a case is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import httpx

from bench.million.filling import QUEUE, SCHEDULE
from toril.web.dashboard import door
from toril.web.dashboard.pages import MAIL_PAGES, MAILBOX_PAGES, PAGES
from toril.web.server import API, DASHBOARD

__all__ = ["Case", "cases", "routes_of"]

NEXT = re.compile(r'rel="next" href="[^"]*[?&;]after=([^"&]+)')
JOBS, PAGE = f"{API}/queues/{{queue}}/jobs", f"{DASHBOARD}/queues/{{queue}}"
JOB, JOB_PAGE = f"{JOBS}/{{job_id}}", f"{PAGE}/jobs/{{id}}"
MAILS, MAIL_PAGE = f"{API}/emails", f"{DASHBOARD}/messages"
STATES = ("waiting", "prioritized", "delayed", "waiting-children", "active", "completed", "failed")
FILTERS = [
    "id:{failed}",
    "name:charge",
    "name:re*",
    "state:completed name:ship",
    "data.customer.country:vn",
    "data.customer.id:77",
    "state:failed data.order:123*",
    "error:timeout",
    "state:failed error:declined",
    "state:completed since:2d until:1d",
    "state:failed since:1h",
    "c777",
    "name:nobody",
    "data.customer.email:nobody@example.com",
    "error:nothing-says-this",
    "nothing-says-this",
]


class Case(NamedTuple):
    """One way to ask a route. follow: ask for page after page, each once. stream: until its first event."""

    route: str
    label: str = ""
    query: Mapping[str, str] = {}
    names: Mapping[str, str] = {}  # what stands in the path
    follow: bool = False
    stream: bool = False

    @property
    def path(self) -> str:
        """The path with its names filled in."""
        return self.route.format(**{"queue": QUEUE, **self.names})


def routes_of(document: Mapping[str, Mapping[str, object]]) -> set[str]:
    """Return the path of every GET route: the API's from its document, the dashboard's from its tables."""
    pages = [*door.PAGES, *PAGES, *MAIL_PAGES, *MAILBOX_PAGES]
    told = {path for path, verbs in document["paths"].items() if "get" in verbs}  # type: ignore[operator]
    return told | {f"{DASHBOARD}{path}" for method, path, _ in pages if method == "GET"} | {f"{API}/openapi.json"}


def cases(known: httpx.Client) -> Iterator[Case]:
    """Yield all cases; `known` is asked for the ids of jobs and mails that they are about."""
    ids = {
        state: known.get(JOBS.format(queue=QUEUE), params={"filter": f"state:{state}", "limit": 2}) for state in STATES
    }
    jobs = {state: answer.raise_for_status().json()["jobs"][0]["id"] for state, answer in ids.items()}
    mail = known.get(MAILS, params={"limit": 1}).raise_for_status().json()["emails"][0]["id"]
    yield from _of_jobs(jobs)
    yield from _of_mails(mail)
    for path in (
        "/",
        "/errors",
        "/flows",
        "/schedules",
        "/schedules/new",
        "/workers",
        "/audit",
        "/login",
        "/templates",
        "/mailbox",
    ):
        yield Case(f"{DASHBOARD}{path}")
    for span in ("day", "week"):
        yield Case(f"{DASHBOARD}/", span, {"span": span})
    yield Case(f"{DASHBOARD}/schedules/{{id}}/edit", names={"id": SCHEDULE})
    yield Case(f"{DASHBOARD}/suppressions")
    yield Case(f"{DASHBOARD}/suppressions", "one address", {"address": "c777@example.com"})
    yield Case(f"{DASHBOARD}/errors", "one queue", {"queue": QUEUE})
    yield Case(f"{DASHBOARD}/audit", "deep", {"before": "5000"})
    yield Case(f"{DASHBOARD}/audit", "queue", {"queue": QUEUE})
    yield Case(f"{DASHBOARD}/static/{{file}}", "css", names={"file": "style.css"})
    for part in ("", "/html", "/text"):
        yield Case(f"{DASHBOARD}/templates/{{id}}{part}", names={"id": "welcome"})
    for part in ("", "/html"):
        yield Case(f"{DASHBOARD}/mailbox/{{id}}{part}", names={"id": "0"})
    yield Case(f"{DASHBOARD}/live", "first event", stream=True)
    yield Case(f"{DASHBOARD}/live", "first event, one queue", {"queue": QUEUE}, stream=True)
    for path in ("queues", "schedules", "workers", "audit", "openapi.json"):
        yield Case(f"{API}/{path}")
    yield Case(f"{API}/audit", "filter", {"queue": QUEUE, "who": "ana", "limit": "1000"})
    yield Case(f"{API}/queues/{{queue}}")
    yield Case(f"{API}/queues/{{queue}}", "a week", {"minutes": "10080"})
    for part in ("failures", "limits"):
        yield Case(f"{API}/queues/{{queue}}/{part}")
    for path in ("/health/live", "/health/ready", "/health/detailed", "/metrics"):
        yield Case(path)


def _of_jobs(jobs: Mapping[str, str]) -> Iterator[Case]:
    for state in STATES:
        yield Case(PAGE, state, {"state": state})
        yield Case(PAGE, f"{state}, pages", {"state": state}, follow=True)
        yield Case(JOBS, f"state:{state}", {"filter": f"state:{state}"})
        yield Case(JOBS, f"state:{state}, pages", {"filter": f"state:{state}"}, follow=True)
    yield Case(JOBS, "all, 1,000 a page", {"limit": "1000"})
    for text in FILTERS:
        wanted = text.format(**jobs)
        shown = text.format(failed="…")
        yield Case(JOBS, shown, {"filter": wanted})
        yield Case(JOBS, f"{shown}, pages", {"filter": wanted}, follow=True)
        yield Case(PAGE, shown, {"q": wanted})
    for span in ("day", "week"):
        yield Case(PAGE, f"chart of a {span}", {"span": span})
    yield Case(f"{PAGE}/add")
    for state in ("waiting", "failed", "completed", "waiting-children"):
        yield Case(JOB_PAGE, state, names={"id": jobs[state]})
        yield Case(f"{JOB_PAGE}/flow", state, names={"id": jobs[state]})
        yield Case(JOB, state, names={"job_id": jobs[state]})
    yield Case(f"{JOB}/log", names={"job_id": jobs["failed"]})


def _of_mails(mail: str) -> Iterator[Case]:
    wanted: list[dict[str, str]] = [
        {},
        {"status": "sent"},
        {"status": "failed"},
        {"type": "welcome"},
        {"recipient": "c777@example.com"},
        {"status": "unknown", "type": "promotion"},
        {"recipient": "nobody@example.com"},
    ]
    for query in wanted:
        label = " ".join(f"{name}:{value}" for name, value in query.items())
        yield Case(MAILS, label, query)
        yield Case(MAILS, f"{label}, pages", query, follow=True)
        yield Case(MAIL_PAGE, label, query)
    yield Case(MAILS, "a batch", {"batch": "b3"})
    yield Case(MAILS, "a span", {"since": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z"})
    yield Case(f"{MAILS}/{{mail_id}}", names={"mail_id": mail})
    for part in ("", "/html"):
        yield Case(f"{MAIL_PAGE}/{{id}}{part}", names={"id": mail})
