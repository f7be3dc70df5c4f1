"""Health as probes ask for it, and metrics as Prometheus does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel

from toril.app import Toril
from toril.errors import StoreUnavailable
from toril.web.auth import Authenticate
from toril.web.desk import Desk
from toril.web.gate import READ, TheDesk, guarded_by
from toril.web.metrics import CONTENT_TYPE, exposition
from toril.web.overview import lines
from toril.web.problems import PROBLEMS

if TYPE_CHECKING:
    from toril.messaging import Mailer

__all__ = ["health_router"]

_QUEUE = "toril-health"  # nobody's: a look at a queue that is not there costs nothing
_MAIL = "m"  # no mail's id: a look at it tells whether the log answers
_BEARER = HTTPBearer(auto_error=False, scheme_name="token")


class Status(BaseModel):
    """One word."""

    status: str


def health_router(app: Toril, mailer: Mailer | None = None, *, authenticate: Authenticate | None = None) -> APIRouter:
    """Return the health checks and `/metrics` as a router.

    `/health/live` and `/health/ready` are open, for probes, and say one word. `/health/detailed` and `/metrics` need
    the role `read`. mailer: this process accepts mails, and is ready as long as the delivery log can take them.
    authenticate: as of `admin_router`.
    """
    desk = Desk(app, mailer, authenticate=authenticate)
    router = APIRouter(tags=["health"])
    not_ready: dict[int | str, dict[str, Any]] = {503: {"model": Status, "description": "Not ready"}}
    ready = _ready(desk)
    router.add_api_route("/health/live", live, methods=["GET"], response_model=Status)
    router.add_api_route("/health/ready", ready, methods=["GET"], response_model=Status, responses=not_ready)
    closed = APIRouter(route_class=guarded_by(desk), dependencies=[Depends(_BEARER)], responses=PROBLEMS)
    closed.add_api_route("/health/detailed", detailed, methods=["GET"], dependencies=READ)
    closed.add_api_route(
        "/metrics", metrics, methods=["GET"], dependencies=READ, response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text"}},
    )  # fmt: skip
    router.include_router(closed)
    return router


async def live() -> dict[str, str]:
    """Say that this process answers."""
    return {"status": "ok"}


def _ready(desk: Desk) -> Any:
    async def ready(
        strict: Annotated[
            bool, Query(description="Ask the job store itself, not what takes work in its place.")
        ] = False,
    ) -> Response:
        """Say whether this process can take work: 200 as long as it can be written down, in the store or the outbox."""
        store = await store_check(desk)
        outbox = False if strict or store["status"] == "ok" else (await outbox_check(desk))["status"] == "ok"
        fine = store["status"] == "ok" or outbox
        return JSONResponse({"status": "ready" if fine else "not ready"}, 200 if fine else 503)

    return ready


async def detailed(desk: TheDesk) -> Any:
    """Tell all: queues, workers, the store and its server, the delivery log and its outbox."""
    store, mail = await store_check(desk), await outbox_check(desk)
    told: dict[str, Any] = {"status": "ok", "store": store, "mail": mail, "queues": [], "workers": []}
    if store["status"] == "ok":
        told["store"] |= (await desk.app.store.server())._asdict()
        told["findings"] = [found._asdict() for found in await desk.app.store.examine() if found.verdict != "ok"]
        told["queues"] = await _queues(desk)
        workers = await desk.app.workers()
        told["workers"] = [
            {"host": worker.info.host, "pid": worker.info.pid, "nodes": worker.nodes, "age": worker.age,
             "queues": worker.info.queues, "running": len(worker.runs)} for worker in workers
        ]  # fmt: skip
    bad = [line["name"] for line in told["queues"] if line["health"] in {"unserved", "late"}]
    if store["status"] != "ok" or mail["status"] == "unavailable" or bad or store.get("evicted"):
        told["status"] = "degraded"
    return JSONResponse(told)


async def metrics(desk: TheDesk) -> Response:
    """Return this application's metrics in Prometheus's text form."""
    return Response(await exposition(desk), media_type=CONTENT_TYPE)


async def store_check(desk: Desk) -> dict[str, Any]:
    """Return whether the store answers, and in how many milliseconds."""
    begin = time.monotonic()
    try:
        await desk.app.store.info(_QUEUE)
    except StoreUnavailable as error:
        return {"status": "unavailable", "error": str(error)}
    return {"status": "ok", "latency_ms": _milliseconds(begin)}


async def outbox_check(desk: Desk) -> dict[str, Any]:
    """Return whether the delivery log answers, in how many milliseconds, and how many mails are not sent yet."""
    if desk.mailer is None or desk.mail_counts is None:
        return {"status": "none"}
    begin = time.monotonic()
    try:
        await desk.mailer.find(_MAIL)
        latency = _milliseconds(begin)
        counts = await desk.mail_counts.read()
    except StoreUnavailable as error:
        return {"status": "unavailable", "error": str(error)}
    waiting = counts.get("pending", 0) + counts.get("sending", 0)
    ways = [
        {"transport": way.transport, "state": way.state, "failures": way.failures, "opens_in": way.opens_in}
        for way in desk.mailer.health()
    ]
    return {
        "status": "ok", "latency_ms": latency, "outbox": waiting, "counts": counts, "transports": ways
    }  # fmt: skip


async def _queues(desk: Desk) -> list[dict[str, Any]]:
    found = []
    for line in await lines(desk.app):
        rates = await desk.app.queue(line.name).forecast()
        found.append(
            {**line.model_dump(), "arrival": rates.arrival, "service": rates.service, "drained_in": rates.seconds}
        )
    return found


def _milliseconds(begin: float) -> float:
    return round((time.monotonic() - begin) * 1000, 2)
