from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from jobs import app, welcome

from toril import ResultTimeout, StoreUnavailable

web = FastAPI(lifespan=app.lifespan(workers={"emails": 5}))


@web.post("/signup", status_code=202)
async def signup(email: str) -> dict[str, str]:
    job = await welcome.enqueue(to=email)
    return {"job": job.id}


@web.get("/jobs/{job_id}")
async def result(job_id: str) -> dict[str, Any]:
    job = await welcome.queue.get(job_id)
    if job is None:
        raise HTTPException(404)
    try:
        return {"result": await job.result(timeout=2)}
    except ResultTimeout:
        return {"state": await job.state()}


@web.exception_handler(StoreUnavailable)
async def store_unavailable(request: Request, error: StoreUnavailable) -> JSONResponse:
    return JSONResponse({"detail": "please try again in a moment"}, 503, {"Retry-After": "1"})
