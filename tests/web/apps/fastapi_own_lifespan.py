from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from database import database
from fastapi import FastAPI
from jobs import app, welcome


@asynccontextmanager
async def lifespan(web: FastAPI) -> AsyncIterator[None]:
    async with database(), app.lifespan(workers={"emails": 5})(web):  # entered last, left first
        yield


web = FastAPI(lifespan=lifespan)


@web.post("/signup", status_code=202)
async def signup(email: str) -> dict[str, str]:
    job = await welcome.enqueue(to=email)
    return {"job": job.id}
