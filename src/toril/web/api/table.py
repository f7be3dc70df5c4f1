"""A module's routes, noted where they are written and added to each router that is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter

__all__ = ["Routes"]

F = TypeVar("F", bound=Callable[..., Any])


class Routes:
    """The routes of one resource. Each router has routes of its own, so that two in one process share nothing."""

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self._noted: list[tuple[str, str, Callable[..., Any], dict[str, Any]]] = []

    def get(self, path: str, **options: Any) -> Callable[[F], F]:
        """Note a function that answers GET; options as of FastAPI's `add_api_route`."""
        return self._note("GET", path, options)

    def post(self, path: str, **options: Any) -> Callable[[F], F]:
        """Note a function that answers POST."""
        return self._note("POST", path, options)

    def put(self, path: str, **options: Any) -> Callable[[F], F]:
        """Note a function that answers PUT."""
        return self._note("PUT", path, options)

    def patch(self, path: str, **options: Any) -> Callable[[F], F]:
        """Note a function that answers PATCH."""
        return self._note("PATCH", path, options)

    def delete(self, path: str, **options: Any) -> Callable[[F], F]:
        """Note a function that answers DELETE."""
        return self._note("DELETE", path, options)

    def add_to(self, router: APIRouter) -> None:
        """Add the routes to a router."""
        for method, path, function, options in self._noted:
            router.add_api_route(path, function, methods=[method], tags=[self._tag], **options)

    def _note(self, method: str, path: str, options: dict[str, Any]) -> Callable[[F], F]:
        def note(function: F) -> F:
            self._noted.append((method, path, function, options))
            return function

        return note
