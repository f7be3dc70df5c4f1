"""A queue that Node's BullMQ has filled: the dashboard shows it in the same words, and its buttons work on it.

A real Node process fills and drains the queues; after each button Node itself is asked what has become of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from nodes import Node, Process, install
from processes import until
from stores import EmptyStore

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("store_kind", ["redis"])]

SLOW = 20_000  # milliseconds, on a machine with much else to do
HOUR = 3_600_000


@pytest.fixture
def node(store: EmptyStore, tmp_path: Path) -> Iterator[Node]:
    """An application on Node, on the shop's Redis."""
    install()
    process = Process(store.url)
    node = Node(process, store.settings()["prefix"], tmp_path / "ledger")
    for queue in ("orders", "parts", "busy", "held", "slowly"):  # known before the shop looks for queues
        node.queue(queue, "waitUntilReady")
    yield node
    node.end()
    process.end()


def add(node: Node, name: str, job_id: str, data: Any = None, queue: str = "orders", **options: Any) -> None:
    """Let Node add a job."""
    node.queue(queue, "add", name, data or {}, {"jobId": job_id, **options})


def fill(node: Node) -> None:
    """Let Node fill its queue with what a queue may hold."""
    add(node, "fail", "bad", {"times": 9, "token": "tok_51x9"})
    add(node, "fail", "worse", {"times": 9})
    add(node, "talk", "said")
    node.call("run", "orders", {"name": "mia", "metrics": {"maxDataPoints": 60}})
    add(node, "echo", "ready", {"n": 1})
    add(node, "echo", "first", {"n": 2}, priority=2)
    add(node, "echo", "later", {"n": 3}, delay=HOUR)
    children = [{"name": "echo", "queueName": "parts", "data": {"n": n}, "opts": {"jobId": f"part{n}"}} for n in (1, 2)]
    node.call("add", {"name": "sum", "queueName": "orders", "opts": {"jobId": "whole"}, "children": children})


def rows(page: Page) -> Locator:
    return page.locator("#rows tbody tr")


async def said(page: Page, text: str) -> None:
    await expect(page.get_by_role("status").filter(has_text=text)).to_be_visible(timeout=SLOW)


async def test_it_looks_as_one_of_ours(node: Node, page: Page, shop: str) -> None:
    fill(node)
    orders = f"{shop}/queues/orders"
    await page.goto(orders)
    for state, count in node.queue("orders", "getJobCounts").items():
        if state in {"paused", "repeat", "waiting-children"} and not count:
            continue
        await expect(page.locator("#tabs").get_by_role("link", name=f"{state} {count}", exact=True)).to_be_visible()
    await expect(page.get_by_text("No worker serves this queue.")).to_be_visible()

    for state, shown in (
        ("failed", "boom"),
        ("completed", "said"),
        ("waiting", "no worker serves queue orders"),
        ("prioritized", '{"n": 2}'),
        ("delayed", "it is due at"),
        ("waiting-children", "it waits for its child parts:part"),
    ):
        await page.goto(f"{orders}?state={state}")
        await expect(rows(page).first).to_contain_text(shown)

    await page.goto(f"{orders}/jobs/bad")
    await expect(page.locator("#reason")).to_contain_text("behaviours.mjs")
    await expect(page.locator("#reason")).to_contain_text("Error: boom")
    assert "tok_51x9" not in await page.content()
    await page.goto(f"{orders}/jobs/said")
    await expect(page.locator("#log")).to_contain_text("half way")
    await expect(page.locator("#times")).to_contain_text('{"step":"last","of":2}')
    await expect(page.locator("#times")).to_contain_text("mia")
    await page.goto(f"{orders}/jobs/whole/flow")
    await expect(page.locator("#tree .leaf")).to_have_count(3)
    await page.goto(f"{shop}/errors")
    await expect(page.locator("#groups")).to_contain_text("boom", timeout=SLOW)  # groups are up to 5 s old


async def test_what_runs_waits_and_is_held_back_on_node_is_told(node: Node, page: Page, shop: str) -> None:
    node.call("work", "busy", {"name": "mia"})
    add(node, "slow", "runs", {"ms": 60_000}, queue="busy")
    node.queue("held", "pause")
    add(node, "echo", "waits", queue="held")
    node.queue("slowly", "setGlobalRateLimit", 1, HOUR)
    for job_id in ("one", "two"):
        add(node, "echo", job_id, queue="slowly")
    node.call("take", "slowly", "token")

    await page.goto(f"{shop}/queues/busy/jobs/runs")
    await expect(page.locator("#why")).to_contain_text("on Node worker mia", timeout=SLOW)
    await page.goto(f"{shop}/workers")
    await expect(page.get_by_role("heading", name="mia")).to_be_visible()
    await expect(page.get_by_role("link", name="slow")).to_be_visible()
    await page.goto(f"{shop}/queues/busy")
    await expect(page.get_by_text("No worker serves this queue.")).to_be_hidden()
    await page.goto(f"{shop}/queues/slowly")
    await expect(page.locator("#stats")).to_contain_text("in 1 h at most")

    await page.goto(f"{shop}/queues/held")
    await expect(rows(page).first).to_contain_text("queue held is paused")
    await page.get_by_role("button", name="Resume").click()
    await said(page, "Queue held runs again.")
    assert node.queue("held", "isPaused") is False


async def test_its_jobs_are_retried_promoted_changed_removed_and_added(node: Node, page: Page, shop: str) -> None:
    fill(node)
    node.call("listen", "orders")
    orders = f"{shop}/queues/orders"
    await page.goto(orders)
    await page.get_by_text("Pause…").click()
    await page.get_by_role("button", name="Pause", exact=True).click()
    await said(page, "Queue orders is paused.")
    assert node.queue("orders", "isPaused") is True
    await page.get_by_role("button", name="Resume").click()
    await said(page, "runs again")

    await page.goto(f"{orders}/jobs/later")
    await page.get_by_role("button", name="Run now").click()
    await said(page, "It may run now.")
    assert node.job("orders", "later", "getState") == "waiting"
    await page.goto(f"{orders}/jobs/first")
    await page.get_by_text("Remove…").click()
    await page.get_by_role("button", name="Remove the job").click()
    await said(page, "Job first is removed.")
    assert node.queue("orders", "getJob", "first") is None

    await page.goto(f"{orders}/jobs/bad")
    await page.get_by_text("Retry with other data").click()
    await page.get_by_role("textbox", name="Data").fill('{"times": 0, "token": "********"}')
    await page.get_by_role("button", name="Retry with these").click()
    await said(page, "It runs again.")
    assert node.queue("orders", "getJob", "bad")["data"] == {"times": 0, "token": "tok_51x9"}

    await page.goto(f"{orders}/add")
    await page.get_by_role("combobox", name="Task").fill("echo")
    await page.get_by_role("textbox", name="Data").fill('{"n": 42}')
    await page.get_by_label("Id").fill("added")
    await page.get_by_role("button", name="Add the job").click()
    await expect(page.locator("#state")).to_have_text("waiting")

    node.call("run", "orders", {"name": "mia"})
    await expect(page.locator("#state")).to_have_text("completed", timeout=SLOW)  # without a reload
    assert node.job("orders", "bad", "getState") == "completed"
    assert node.queue("orders", "getJob", "added")["returnvalue"] == {"n": 42}

    def heard(kind: str) -> set[str]:
        return {args.get("jobId") for name, args in node.call("heard", "orders") if name == kind}

    await until(lambda: {"bad", "added", "later", "ready", "said"} <= heard("completed"))
    assert "first" in heard("removed")
    assert {"bad", "later"} <= heard("waiting")


async def test_a_group_of_its_failures_runs_again(node: Node, page: Page, shop: str) -> None:
    fill(node)
    await page.goto(f"{shop}/errors")
    await page.get_by_label("Retry…: boom of fail").click()
    await page.get_by_role("button", name="Retry them all").click()
    await said(page, "Retried 2 jobs of orders.")
    assert {node.job("orders", job_id, "getState") for job_id in ("bad", "worse")} == {"waiting"}


async def test_its_schedules_run_now_are_edited_and_made(node: Node, page: Page, shop: str) -> None:
    template = {"name": "echo", "data": {"n": 1}, "opts": {"attempts": 4}}
    node.queue("orders", "upsertJobScheduler", "nightly", {"pattern": "0 0 3 * * *", "tz": "Europe/Paris"}, template)
    await page.goto(f"{shop}/schedules")
    await expect(page.locator("#schedules")).to_contain_text("At 03:00 (Europe/Paris)")
    await page.get_by_label("Run now: nightly").click()
    await said(page, "Added a job of schedule nightly.")
    assert node.queue("orders", "getJobCounts")["waiting"] == 1

    await page.goto(f"{shop}/schedules")
    await page.get_by_label("Edit: nightly").click()
    await page.get_by_label(re.compile("^Cron line")).fill("30 4 * * *")
    await page.get_by_role("button", name="Show the next runs").click()
    await expect(page.locator("#runs li")).to_have_count(5)
    await expect(page.locator("#runs")).to_contain_text("04:30 Europe/Paris")
    await page.get_by_role("button", name="Change the schedule").click()
    await said(page, "Schedule nightly is changed.")
    kept = node.queue("orders", "getJobScheduler", "nightly")
    assert (kept["pattern"], kept["tz"], kept["template"]["data"]) == ("30 4 * * *", "Europe/Paris", {"n": 1})
    assert kept["template"]["opts"]["attempts"] == 4

    await page.get_by_role("link", name="Add a schedule").click()
    for label, text in (("Id", "pulse"), ("Task", "echo"), ("Queue", "orders"), ("Or every", "90")):
        await page.get_by_label(re.compile(f"^{label}")).fill(text)
    await page.get_by_label(re.compile("^Data")).fill('{"n": 7}')
    await page.get_by_role("button", name="Show the next runs").click()
    await page.get_by_role("button", name="Store the schedule").click()
    await said(page, "Schedule pulse is stored.")
    assert node.queue("orders", "getJobScheduler", "pulse")["every"] == 90_000
    node.call("run", "orders", {"name": "mia"})
    done = node.queue("orders", "getJobs", ["completed"])
    assert {"n": 7} in [job["data"] for job in done]  # and Node's worker has made the next one
    assert [job["data"] for job in node.queue("orders", "getJobs", ["delayed"])].count({"n": 7}) == 1
