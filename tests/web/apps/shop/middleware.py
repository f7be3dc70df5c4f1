from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse

from toril import StoreUnavailable


class StoreUnavailableMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, StoreUnavailable):
            return None
        return JsonResponse({"detail": "please try again in a moment"}, status=503, headers={"Retry-After": "1"})
