"""What somebody on call does, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.slow

SERIOUS = {"serious", "critical"}
SLOW = 20_000  # milliseconds, on a machine with much else to do
PAGES = ["/", "/errors", "/flows", "/schedules", "/workers", "/audit", "/messages", "/templates", "/mailbox"]
PAGES += ["/queues/payments?state=failed", "/queues/reports", "/queues/reports/add", "/templates/welcome"]
PAGES += ["/suppressions", "/schedules/new"]


async def test_a_job_is_watched_from_waiting_to_completed(page: Page, shop: str) -> None:
    await page.goto(f"{shop}/queues/reports")
    await page.get_by_text("Pause…").click()
    await page.get_by_label("Why").fill("stocktaking")
    await page.get_by_role("button", name="Pause", exact=True).click()
    await expect(page.get_by_text("Paused by maria")).to_be_visible()

    await page.get_by_role("link", name="Add a job").click()
    await page.get_by_role("combobox", name="Task").fill("report")
    await page.get_by_role("textbox", name="Data").fill('{"month": "2026-10"}')
    await page.get_by_role("button", name="Add the job").click()
    await expect(page.get_by_text("Why it does not run:")).to_be_visible()
    await expect(page.locator("#why")).to_contain_text("paused by maria")
    await expect(page.locator("#state")).to_have_text("waiting")

    browser = page.context.browser
    assert browser is not None
    elsewhere = await browser.new_context(storage_state=await page.context.storage_state())
    other = await elsewhere.new_page()
    await other.goto(f"{shop}/queues/reports")
    await other.get_by_role("button", name="Resume").click()
    await expect(other.get_by_text("runs again")).to_be_visible()
    await elsewhere.close()

    await expect(page.locator("#state")).to_have_text("completed", timeout=SLOW)  # without a reload
    await expect(page.locator("#result")).to_contain_text("reports/2026-10.pdf")
    await expect(page.locator("#log")).to_contain_text("collecting 2026-10")


async def test_a_failure_is_found_understood_and_retried_with_its_kind(page: Page, shop: str) -> None:
    await page.goto(f"{shop}/queues/payments?state=failed")
    rows = page.locator("#rows tbody tr")
    await expect(rows).to_have_count(4, timeout=SLOW)  # they come by themselves
    box = page.get_by_role("combobox", name="Filter")
    await box.fill("err")
    await box.press("ArrowDown")
    await box.press("Enter")
    await box.press_sequentially('"order 2"')
    await box.press("Enter")
    await expect(rows).to_have_count(1)
    assert "q=error" in page.url
    await rows.get_by_role("link", name="charge").click()
    await expect(page.get_by_text("Traceback (most recent call last)")).to_be_visible()

    await page.goto(f"{shop}/errors")
    await expect(page.locator("#groups")).to_contain_text("card declined for order <n>")
    await page.get_by_label("Retry…: ValueError of charge").click()
    await expect(page.get_by_role("button", name="Retry them all")).to_be_in_viewport(
        ratio=1
    )  # not cut off by the table
    await page.get_by_role("button", name="Retry them all").click()
    await expect(page.get_by_role("status").filter(has_text="Retried 4 jobs of payments.")).to_be_visible()
    await page.goto(f"{shop}/audit")
    await expect(page.get_by_text("retry-group")).to_be_visible()


async def test_chosen_jobs_are_removed_with_keys_alone(page: Page, shop: str) -> None:
    await page.goto(f"{shop}/queues/payments?state=failed")
    await expect(page.locator("#rows tbody tr")).to_have_count(4, timeout=SLOW)
    for key in ("j", "x", "j", "x"):
        await page.keyboard.press(key)
    await expect(page.get_by_text("With 2 chosen:")).to_be_visible()
    await page.get_by_role("group", name="What to do with jobs").get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("Removed 2 jobs.")).to_be_visible()
    await page.keyboard.press("?")
    await expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("g")
    await page.keyboard.press("o")
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()


async def test_a_mail_is_read_in_the_log_and_in_the_mailbox(page: Page, shop: str) -> None:
    await page.goto(f"{shop}/messages")
    await expect(page.locator("#mails").get_by_text("sent", exact=True)).to_be_visible(timeout=SLOW)
    await page.locator("#mails").get_by_role("link").first.click()
    await page.get_by_text("Dialogue with the server").click()
    await expect(page.locator(".dialogue")).to_contain_text("> DATA")
    await expect(page.frame_locator("iframe").get_by_text("Ana").first).to_be_visible()
    await page.get_by_role("link", name="Source").click()
    await expect(page.get_by_text("Message-ID:")).to_be_visible()
    await page.goto(f"{shop}/mailbox")
    await page.locator("#mails").get_by_role("link").first.click()
    await expect(page.frame_locator("iframe").get_by_text("Ana").first).to_be_visible()


@pytest.mark.parametrize(
    ("store_kind", "width", "scheme"),
    [("sqlite-file", 1440, "light"), ("redis", 1440, "dark"), ("sqlite-file", 390, "dark"), ("redis", 390, "light")],
)
async def test_pages_are_accessible_and_fit(page: Page, shop: str, axe: Path, width: int, scheme: Any) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await page.emulate_media(color_scheme=scheme)
    await page.goto(f"{shop}/queues/payments?state=failed")
    await expect(page.locator("#rows tbody tr")).to_have_count(4, timeout=SLOW)
    job = await page.locator("#rows a[data-open]").first.get_attribute("href") or ""
    await page.goto(f"{shop}/messages")
    mail = await page.locator("#mails a[data-open]").first.get_attribute("href") or ""
    origin = shop.removesuffix("/admin/queues")
    for address in [*(shop + path for path in PAGES), origin + job, origin + mail]:
        await page.goto(address)
        await page.evaluate(axe.read_text())  # not as a script of the page: its policy forbids that
        found = await page.evaluate("axe.run(document, {iframes: false, resultTypes: ['violations']})")
        faults = [
            (fault["id"], [node["html"][:200] for node in fault["nodes"]])
            for fault in found["violations"]
            if fault["impact"] in SERIOUS
        ]
        assert faults == [], address
        for across in (800, width):  # on a tablet, too
            await page.set_viewport_size({"width": across, "height": 900})
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{address} at {across}"


@pytest.mark.parametrize("store_kind", ["sqlite-file"])
async def test_a_page_that_is_not_live_says_so_and_goes_on_by_itself(page: Page, shop: str) -> None:
    browser = page.context.browser
    assert browser is not None
    context = await browser.new_context(storage_state=await page.context.storage_state())
    lost = await context.new_page()  # its console may complain
    await lost.goto(f"{shop}/queues/payments?state=failed")
    await expect(lost.locator("#live")).to_have_text("live")
    await context.set_offline(True)
    await expect(lost.get_by_role("alert")).to_contain_text("does not answer. What stands here is as of", timeout=SLOW)
    await expect(lost.locator("#live")).to_have_text("not live")
    await context.set_offline(False)
    await expect(lost.locator("#live")).to_have_text("live", timeout=SLOW)
    await expect(lost.get_by_role("alert")).to_be_hidden()
    await lost.get_by_text("Pause…").click()
    await lost.get_by_label("Why").fill("typed, and not to be lost")
    await context.clear_cookies()
    await expect(lost.get_by_role("alert")).to_contain_text("Your session is over", timeout=SLOW)
    await expect(lost.get_by_label("Why")).to_have_value("typed, and not to be lost")
    await context.close()


async def test_pages_are_read_without_javascript(page: Page, shop: str) -> None:
    browser = page.context.browser
    assert browser is not None
    context = await browser.new_context(java_script_enabled=False, storage_state=await page.context.storage_state())
    plain = await context.new_page()
    await plain.goto(f"{shop}/")
    await expect(plain.get_by_role("heading", name="Queues")).to_be_visible()
    await plain.goto(f"{shop}/queues/reports")
    await plain.get_by_text("Pause…").click()
    await plain.get_by_role("button", name="Pause", exact=True).click()
    await expect(plain.get_by_text("Queue reports is paused.")).to_be_visible()
    await context.close()
