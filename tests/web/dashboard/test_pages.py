"""Every page, found by its links, is there, is safe to be shown, and shows no secret and no address."""

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from html.parser import HTMLParser

import pytest

from dashboard.office import BASE, RESET, Browser, Office

pytestmark = pytest.mark.parametrize("store_kind", ["sqlite-file", pytest.param("redis", marks=pytest.mark.slow)])

ALIKE = 3  # pages of a kind that are looked at
_EVENTS = re.compile(r"^on[a-z]+$")


class Links(HTMLParser):
    """The links of a page, and what a strict policy would forbid on it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.forms: set[str] = set()
        self.inline: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and given.get("href", "").startswith(BASE):
            self.found.add(unescape(given["href"]))
        if tag == "iframe":
            assert "sandbox" in given
            self.found.add(given["src"])
        if tag == "form" and given.get("method") == "post":
            self.forms.add(given["action"])
        if tag == "style" or "style" in given or any(map(_EVENTS.match, given)):
            self.inline.append(self.get_starttag_text() or tag)
        if tag == "script":
            assert given.get("src"), "a script stands in a page"
        self.ids += [given["id"]] if "id" in given else []


def kind(link: str) -> str:
    """Return what a link has in common with those to other things of the kind."""
    path, _, query = link.partition("?")
    words = ",".join(word.partition("=")[0] for word in query.split("&"))
    return re.sub(r"/(queues|jobs|messages|templates|mailbox)/[^/]+", r"/\1/*", path) + ("?" + words if words else "")


async def crawl(browser: Browser) -> dict[str, str]:
    """Return the pages that links lead to, by path."""
    pages: dict[str, str] = {}
    seen: Counter[str] = Counter()
    todo = [f"{BASE}/"]
    known = set(todo)
    while todo:
        path = todo.pop()
        answer = await browser.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:500]}"
        assert "unsafe-inline" not in answer.headers["content-security-policy"] or path.partition("?")[0].endswith(
            "/html"
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        pages[path] = answer.text
        if answer.headers["content-type"].startswith("text/html") and not path.partition("?")[0].endswith("/html"):
            for link in sorted(Links(answer.text).found - known):
                known.add(link)
                seen[kind(link)] += 1
                if seen[kind(link)] <= ALIKE:
                    todo.append(link)
    return pages


async def test_every_link_leads_to_a_page_that_keeps_to_the_policy(maria: Browser) -> None:
    pages = await crawl(maria)
    kinds = {kind(path.partition("?")[0]) for path in pages}
    assert {f"{BASE}{path}" for path in (
        "/", "/errors", "/flows", "/schedules", "/workers", "/audit", "/messages", "/suppressions", "/templates", "/mailbox",
        "/queues/*", "/queues/*/add", "/queues/*/jobs/*", "/queues/*/jobs/*/flow",
        "/messages/*", "/messages/*/html", "/templates/*", "/templates/*/html", "/mailbox/*",
    )} <= kinds  # fmt: skip
    for path, text in pages.items():
        links = Links(text)
        if not path.partition("?")[0].endswith("/html"):
            assert links.inline == [], path
            assert len(links.ids) == len(set(links.ids)), path


async def test_who_may_only_look_is_shown_no_secret_no_address_and_nothing_to_do(noor: Browser) -> None:
    pages = await crawl(noor)
    for path, text in pages.items():
        assert Links(text).forms <= {f"{BASE}/theme", f"{BASE}/logout"}, path
        assert "stack jobs" not in text, path  # a phone has no room for boxes that are not there
        assert "tok_51x9" not in text, path
        if "/mailbox" in path:  # it is for what developers sent to themselves
            continue
        assert RESET not in text, path
        bare = text.replace('value="ana@example.com"', "")
        assert not re.search(r"\b(ana|bo|dan)(@|%40)example\.com", bare), path
    assert any("a***@example.com" in text for text in pages.values())


async def test_names_of_any_characters_have_pages(maria: Browser) -> None:
    (queue,) = (
        link
        for link in Links((await maria.get("/")).text).found
        if link.startswith(f"{BASE}/queues/a~2Fb") and "?" not in link
    )
    page = (await maria.get(queue)).text
    assert "a/b ~ü?#</span></h1>" in page
    (job,) = (link for link in Links(page).found if "/jobs/" in link)
    page = (await maria.get(job)).text
    assert "x/y ..%2F" in page
    assert "<h1>odd" in page


async def test_a_page_that_is_not_there_says_so(maria: Browser) -> None:
    for path in ("/queues/line/jobs/none", "/mailbox/77", "/mailbox/x", "/messages/m1", "/static/none"):
        answer = await maria.get(path)
        assert answer.status_code == 404, path
        assert "To the overview" in answer.text


async def test_a_filter_that_cannot_be_read_is_explained_in_its_place(maria: Browser) -> None:
    answer = await maria.get("/queues/line", q="colour:red")
    assert answer.status_code == 400
    assert "colour: no such field" in answer.text
    assert 'value="colour:red"' in answer.text


async def test_a_filter_stays_within_its_tab_unless_it_names_states(maria: Browser) -> None:
    failed = (await maria.get("/queues/line", state="failed", q="name:charge")).text
    assert failed.count("data-row") == 3
    named = (await maria.get("/queues/line", state="failed", q="state:completed")).text
    assert named.count("data-row") == 3
    assert "card declined" not in named


async def test_pages_follow_one_another(maria: Browser, office: Office) -> None:
    await office.app.queue("long").add_many([("anything", {"n": n}) for n in range(120)])
    seen: list[str] = []
    path: str | None = "/queues/long"
    while path:
        text = (await maria.get(path)).text
        seen += re.findall(r'name="id" value="([^"]+)"', text)
        next_page = re.search(r'rel="next" href="([^"]+)"', text)
        path = unescape(next_page[1]) if next_page else None
    assert len(seen) == len(set(seen)) == 120


async def test_why_stands_at_each_job_that_does_not_run(maria: Browser) -> None:
    assert "queue paused has been paused by maria" in (await maria.get("/queues/paused")).text
    text = (await maria.get("/queues/paused")).text
    job = re.search(r'href="([^"]+/jobs/[^"]+)" data-open', text)
    assert job
    assert "Why it does not run:" in (await maria.get(unescape(job[1]))).text
