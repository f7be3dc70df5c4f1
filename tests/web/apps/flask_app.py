from typing import Any

from flask import Flask, abort, request
from jobs import app, welcome

from toril import ResultTimeout, StoreUnavailable

web = Flask(__name__)


@web.post("/signup")
def signup() -> tuple[dict[str, str], int]:
    job = welcome.enqueue_sync(to=request.args["email"])
    return {"job": job.id}, 202


@web.get("/jobs/<job_id>")
def result(job_id: str) -> dict[str, Any]:
    job = app.run(welcome.queue.get(job_id))
    if job is None:
        abort(404)
    try:
        return {"result": app.run(job.result(timeout=2))}
    except ResultTimeout:
        return {"state": app.run(job.state())}


@web.get("/queue")
def counts() -> dict[str, int]:
    return app.run(welcome.queue.counts())


@web.errorhandler(StoreUnavailable)
def store_unavailable(error: StoreUnavailable) -> tuple[dict[str, str], int, dict[str, str]]:
    return {"detail": "please try again in a moment"}, 503, {"Retry-After": "1"}
