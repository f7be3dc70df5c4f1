from django.db import transaction
from django.http import Http404, HttpRequest, JsonResponse
from jobs import app, welcome

from toril import ResultTimeout


def signup(request: HttpRequest) -> JsonResponse:
    job = welcome.enqueue_sync(to=request.GET["email"])
    return JsonResponse({"job": job.id}, status=202)


async def signup_async(request: HttpRequest) -> JsonResponse:
    job = await welcome.enqueue(to=request.GET["email"])
    return JsonResponse({"job": job.id}, status=202)


def result(request: HttpRequest, job_id: str) -> JsonResponse:
    job = app.run(welcome.queue.get(job_id))
    if job is None:
        raise Http404
    try:
        return JsonResponse({"result": app.run(job.result(timeout=2))})
    except ResultTimeout:
        return JsonResponse({"state": app.run(job.state())})


def order(request: HttpRequest) -> JsonResponse:
    with transaction.atomic():
        save(request.GET["item"])
        transaction.on_commit(lambda: welcome.enqueue_sync(to=request.GET["email"]))
    return JsonResponse({}, status=202)


def save(item: str) -> None:
    """Stands for your models."""
    if not item:
        raise Http404("nothing to order")
