"""The application that is filled and served: BENCH_STORE is the URL of its store, BENCH_FOLDER has its mail."""

from __future__ import annotations

import os
from pathlib import Path

from toril import Toril
from toril.clock import Clock
from toril.messaging import Mailer
from toril.settings import Settings

__all__ = ["app", "mailer", "make_app"]

_FOLDER = Path(os.environ.get("BENCH_FOLDER", "."))
MAIL_LOG = "mail.db"  # beside the store: the delivery log, users, tokens, audit log
_SECRET = "pLvJqjKqjRWXj4nG0nUZ0y5cUQbWwY6k3m6m0aX0wq8="


def make_app(store: str, folder: Path, clock: Clock | None = None) -> Toril:
    """Return the application on a store, with the settings of nobody's environment."""
    settings = Settings(env={}, dotenv=None, secret_keys=_SECRET, mail_log_url=f"sqlite:///{folder / MAIL_LOG}")
    return Toril(store, settings=settings, clock=clock)


app = make_app(os.environ.get("BENCH_STORE", "sqlite:///:memory:"), _FOLDER)
mailer = Mailer(app, "smtp://127.0.0.1:1", from_address="Shop <shop@example.com>")
