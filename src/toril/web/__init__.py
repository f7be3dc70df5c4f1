"""The on-call screen: three routers that an application of your own includes, or that `toril serve` puts together.

`admin_router(app)` is the admin API, `dashboard_router(app)` the pages, `health_router(app)` what probes and Prometheus
ask. All are closed by default: a request without a token, a session or the host's own user is answered by 401.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from toril.errors import MissingExtra

if TYPE_CHECKING:
    from toril.web.api.router import admin_router
    from toril.web.auth import Authenticate, Principal, Role
    from toril.web.dashboard.router import dashboard_router
    from toril.web.health import health_router

if not all(map(find_spec, ("argon2", "fastapi", "itsdangerous", "prometheus_client", "sqlalchemy"))):
    raise MissingExtra("the web part", "web")

__all__ = ["Authenticate", "Principal", "Role", "admin_router", "dashboard_router", "health_router"]
_PLACES = {"admin_router": "api.router", "dashboard_router": "dashboard.router", "health_router": "health"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a command that lists queues needs no dashboard."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'auth')}"), name)
