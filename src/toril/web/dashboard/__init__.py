"""The pages of the on-call screen."""

from toril.web.dashboard.router import dashboard_router

__all__ = ["dashboard_router"]
