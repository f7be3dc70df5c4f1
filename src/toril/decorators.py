"""What turns a function into a task, typed so that editors and checkers know its arguments and its result.

The order of the overloads matters: an async function is also one that returns a coroutine, and one whose first
parameter takes anything also takes a JobContext.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from toril.context import JobContext
from toril.task import Task

__all__ = ["ScheduleDecorator", "TakesAnything", "TaskDecorator"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class _Stranger:
    """Of a type that no parameter names, so only one that takes anything takes it."""


class TakesAnything(Protocol[P, R_co]):
    """A function whose first parameter is annotated Any or object, or not at all: it does not want the context."""

    @overload
    def __call__(self, first: _Stranger, /, *args: Any, **kwargs: Any) -> Any: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


class TaskDecorator:
    """What `app.task(...)` with options returns: it makes a task of a function."""

    def __init__(self, make: Callable[[Callable[..., Any]], Task[..., Any]]) -> None:
        self._make = make

    @overload
    def __call__(self, function: TakesAnything[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[JobContext, P], Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, function: TakesAnything[P, R], /) -> Task[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[JobContext, P], R], /) -> Task[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Task[..., Any]:
        return self._make(function)


class ScheduleDecorator:
    """What `app.cron(...)` and `app.every(...)` return: it gives a task, or a function that becomes one, its times."""

    def __init__(self, schedule: Callable[[Callable[..., Any]], Task[..., Any]]) -> None:
        self._schedule = schedule

    @overload
    def __call__(self, function: Task[P, R], /) -> Task[P, R]: ...  # type: ignore[overload-overlap]  # it is callable
    @overload
    def __call__(self, function: Callable[[JobContext], Coroutine[Any, Any, R]], /) -> Task[[], R]: ...
    @overload
    def __call__(self, function: Callable[[], Coroutine[Any, Any, R]], /) -> Task[[], R]: ...
    @overload
    def __call__(self, function: Callable[[JobContext], R], /) -> Task[[], R]: ...
    @overload
    def __call__(self, function: Callable[[], R], /) -> Task[[], R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Task[..., Any]:
        return self._schedule(function)
