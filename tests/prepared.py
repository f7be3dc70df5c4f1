"""What takes longer than most tests, made quickly: the tables of mail and of the screen, and hashes of passwords.

What makes the tables is shown by the tests that begin with an empty database: `messaging/test_delivery.py`, and all that
start processes.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from argon2 import PasswordHasher

from toril.messaging import migrations
from toril.messaging.database import blocking_engine, log_url
from toril.web import migrations as web_migrations
from toril.web import users

__all__ = ["hash_quickly", "lay_tables"]


def lay_tables(url: str) -> str:
    """Put the tables where the URL of a SQLite file says, unless a file is there already, and return the URL."""
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not path.exists():
        path.write_bytes(_tables())
    return url


def hash_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test's passwords be hashed no more slowly than it needs."""
    monkeypatch.setattr(users, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@cache
def _tables() -> bytes:
    with TemporaryDirectory(prefix="toril-") as folder:
        path = Path(folder) / "mail.db"
        engine = blocking_engine(log_url(f"sqlite:///{path}"))
        with engine.begin() as connection:
            migrations.upgrade(connection)
            web_migrations.upgrade(connection)
        engine.dispose()
        return path.read_bytes()
