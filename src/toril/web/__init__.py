"""The on-call screen: three routers that an application of your own includes, or that `toril serve` puts together.

`admin_router(app)` is the admin API, `dashboard_router(app)` the pages, `health_router(app)` what probes and Prometheus
ask. All are closed by default: a request without a token, a session or the host's own user is answered by 401.
"""

from __future__ import annotations

from toril.errors import MissingExtra

try:
    import argon2 as _argon2  # noqa: F401
    import fastapi as _fastapi  # noqa: F401
    import itsdangerous as _itsdangerous  # noqa: F401
    import prometheus_client as _prometheus_client  # noqa: F401
    import sqlalchemy as _sqlalchemy  # noqa: F401
except ImportError:
    raise MissingExtra("the web part", "web") from None

from toril.web.api import admin_router
from toril.web.auth import Authenticate, Principal, Role
from toril.web.dashboard import dashboard_router
from toril.web.health import health_router

__all__ = ["Authenticate", "Principal", "Role", "admin_router", "dashboard_router", "health_router"]
