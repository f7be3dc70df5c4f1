"""The alert rules and the Grafana dashboard: what they ask for is what `/metrics` tells, and they mean what they say."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from deployment import DEPLOY, ROOT, program
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from prepared import lay_tables
from redis_servers.servers import Servers
from toril import Toril
from toril.messaging import Mailer
from toril.settings import Settings
from toril.web import health_router
from toril.web.desk import Desk

HERE = Path(__file__).parent
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((DEPLOY / "grafana" / "toril.json").read_text())
TESTED = yaml.safe_load((HERE / "alerts_test.yaml").read_text())["tests"]

Exposed = dict[str, set[str]]
"""What each sample's name has for labels."""


def panel_queries() -> Iterator[str]:
    """Yield what the dashboard asks, with its variables filled in."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m").replace("$queue", "emails")


QUERIES = [*(rule["expr"] for rule in RULES), *panel_queries()]


async def expose(url: str, folder: Path) -> Exposed:
    """Return what `/metrics` tells of an application that has run and failed jobs and mails."""
    mail_log = lay_tables(f"sqlite:///{folder}/mail.db")
    settings = Settings(env={}, dotenv=None, mail_log_url=mail_log, mail_from_address="shop@example.com")
    app = Toril(url, settings=settings)
    mailer = Mailer(app, "memory://")

    @app.task(queue="orders")
    async def fails() -> None:
        raise OSError("refused")

    await fails.enqueue()
    await mailer.send("welcome", to="ana@example.com", context={"name": "Ana", "link": "https://shop.example.com"})
    await app.run_pending()
    web = FastAPI()
    web.include_router(health_router(app, mailer))
    _, secret = await Desk(app).tokens.create("prometheus", ["read"])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://x") as client:
        told = await client.get("/metrics", headers={"authorization": f"Bearer {secret}"})
    await app.close()
    samples = [one for family in text_string_to_metric_families(told.text) for one in family.samples]
    return {sample.name: set(sample.labels) for sample in samples}


@pytest.fixture
async def exposed(tmp_path: Path, url: str, redis_servers: Servers) -> Exposed:
    """What both stores tell; Redis has a limit, as in production."""
    redis = redis_servers.single(maxmemory="1gb")
    return {**await expose(redis.url, tmp_path), **await expose(url, tmp_path)}


async def test_every_metric_and_label_that_is_asked_for_exists(exposed: Exposed) -> None:
    asked = set()
    for query in [*QUERIES, *(variable["definition"] for variable in variables())]:
        for name, matchers in re.findall(r"\b(toril_\w+)(?:\{([^}]*)\})?", query):
            assert name in exposed, f"{name}: asked for by {query}"
            assert set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", matchers)) <= exposed[name], query
            asked.add(name)
        known = {"le", *(label for name in asked for label in exposed[name])}
        for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", query):
            assert set(re.findall(r"\w+", labels)) <= known, query
    told_by_nobody = {name for name in exposed if name.startswith("toril_") and not name.endswith("_created")} - asked
    assert told_by_nobody <= {"toril_job_wait_seconds_sum", "toril_job_wait_seconds_count"}, "on no panel, in no alert"


def variables() -> list[dict[str, str]]:
    return [variable for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"]


def test_legends_show_labels_that_the_query_keeps() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = {word for labels in re.findall(r"by \(([^)]*)\)", target["expr"]) for word in labels.split(", ")}
            assert shown <= kept, panel["title"]


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [program("promtool", "prometheus"), *arguments]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)


def test_prometheus_reads_the_rules_and_every_query(tmp_path: Path) -> None:
    panels = tmp_path / "panels.yaml"
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(panel_queries())]
    panels.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = promtool("check", "rules", "--lint-fatal", ALERTS, panels)

    assert done.returncode == 0, done.stderr


def test_alerts_fire_when_they_should_and_only_then() -> None:
    done = promtool("test", "rules", "alerts_test.yaml")

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_test_that_it_fires_and_one_that_it_does_not() -> None:
    checks = [check for test in TESTED for check in test["alert_rule_test"]]
    for rule in RULES:
        fires = {bool(check.get("exp_alerts")) for check in checks if check["alertname"] == rule["alert"]}
        assert fires == {True, False}, rule["alert"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_alert_says_how_bad_it_is_and_leads_to_its_entry(rule: dict[str, dict[str, str]]) -> None:
    page, anchor = rule["annotations"]["runbook"].split("#")
    headings = re.findall(r"^## (.*)$", (ROOT / page).read_text(), re.MULTILINE)

    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"].endswith(".")
    assert anchor in {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
