from jobs import app, welcome
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def signup(request: Request) -> JSONResponse:
    job = await welcome.enqueue(to=request.query_params["email"])
    return JSONResponse({"job": job.id}, 202)


web = Starlette(routes=[Route("/signup", signup, methods=["POST"])], lifespan=app.lifespan())
