"""Errors as `application/problem+json` (RFC 9457), the same for every route of the admin API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from toril.errors import (
    BudgetExceeded,
    DataTooLarge,
    InvalidFilter,
    InvalidJob,
    InvalidMessage,
    InvalidSchedule,
    JobNotFound,
    KeyConflict,
    MailNotFound,
    PartlyAdded,
    PartlySent,
    QueueFull,
    ScheduleNotFound,
    StoreUnavailable,
    TorilError,
    WrongState,
)

__all__ = ["PROBLEMS", "Problem", "ProblemBody", "problem_of", "response"]

MEDIA_TYPE = "application/problem+json"
_STATUS: dict[type[TorilError], int] = {  # the first that fits
    JobNotFound: 404,
    MailNotFound: 404,
    ScheduleNotFound: 404,
    WrongState: 409,
    PartlyAdded: 409,
    PartlySent: 409,
    KeyConflict: 409,
    DataTooLarge: 413,
    InvalidJob: 422,
    InvalidMessage: 422,
    InvalidFilter: 422,
    InvalidSchedule: 422,
    BudgetExceeded: 429,
    QueueFull: 429,
    StoreUnavailable: 503,
}
_TITLES = {
    400: "The request cannot be read",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    409: "Not in this state",
    413: "Too large",
    422: "Not valid",
    429: "Too many",
    503: "Not available now",
}


class Problem(Exception):
    """What a route answers instead of its result; `code` is a word for programs, `detail` a sentence for people."""

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers, self.more = dict(headers or {}), more


class ProblemBody(BaseModel):
    """A problem as it is sent. `errors` names each bad field of a request."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(default="about:blank")
    title: str
    status: int
    code: str = Field(description="A word for programs, such as `job-not-found`.")
    detail: str
    errors: list[dict[str, Any]] | None = None


def _documented(status: int) -> dict[str, Any]:
    example = {"type": "about:blank", "title": _TITLES[status], "status": status, "code": "…", "detail": "…"}
    schema = {"$ref": f"#/components/schemas/{ProblemBody.__name__}"}
    return {"description": _TITLES[status], "content": {MEDIA_TYPE: {"schema": schema, "example": example}}}


PROBLEMS: dict[int | str, dict[str, Any]] = {status: _documented(status) for status in _TITLES}
PROBLEMS[401]["model"] = ProblemBody  # once: FastAPI makes a validator of a model for each route and status
"""What any route may answer, for its OpenAPI."""


def problem_of(error: Exception) -> Problem | None:
    """Return what is answered to an error that a route has met; None: it is a fault of ours."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        errors = [{"field": ".".join(map(str, found["loc"])), "message": found["msg"]} for found in error.errors()]
        first = errors[0] if errors else {"field": "request", "message": "expected other content"}
        return Problem(422, "invalid-request", f"{first['field']}: {first['message']}", errors=errors)
    if isinstance(error, HTTPException):
        if isinstance(error.__cause__, Problem):  # FastAPI wraps what it meets while it reads a body
            return error.__cause__
        return Problem(error.status_code, "http", str(error.detail), headers=error.headers)
    if isinstance(error, TorilError):
        status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), None)
        return None if status is None else Problem(status, _code(error), str(error), headers=_retry_after(error))
    return None


def response(problem: Problem) -> Response:
    """Return the response that a problem is."""
    body = {
        "type": "about:blank",
        "title": _TITLES.get(problem.status, "It did not work"),
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        **problem.more,
    }
    return JSONResponse(body, problem.status, problem.headers, MEDIA_TYPE)


def _code(error: TorilError) -> str:
    """Return a class name as a word: JobNotFound → job-not-found."""
    name = type(error).__name__
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")


def _retry_after(error: TorilError) -> dict[str, str]:
    if isinstance(error, BudgetExceeded):
        return {"Retry-After": str(max(1, round(error.retry_after)))}
    return {"Retry-After": "1"} if isinstance(error, (StoreUnavailable, QueueFull)) else {}
