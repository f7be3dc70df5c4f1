"""The delivery log's schema, step by step; `upgrade` brings a database to the newest."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from toril.errors import StoreRefused
from toril.messaging.models import Base

__all__ = ["HEAD", "VERSION_TABLE", "is_current", "upgrade"]

HEAD = "0002"
VERSION_TABLE = "toril_mail_version"  # the log may lie in a database whose own Alembic has an `alembic_version`
_LOCK = 0x746F72696C  # of PostgreSQL's advisory locks: "toril"


def upgrade(connection: Connection) -> None:
    """Bring the schema to HEAD inside the connection's transaction, which other processes wait for.

    Tables that somebody else made (the application's own migrations) are left to them. Raises StoreRefused if those
    lack something, or if a newer Toril has been here.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    inspector = inspect(connection)
    found = _version(connection)
    if found == HEAD:
        return
    if found is None and inspector.has_table("email_logs"):
        _check(connection)
        return
    if found is not None and found > HEAD:
        raise StoreRefused(f"delivery log: written by a newer Toril (schema {found}, this one knows {HEAD})")
    # Only now: Alembic takes longer to import than the check takes to run.
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "toril.messaging:migrations")
    command.upgrade(config, HEAD)


def is_current(connection: Connection) -> bool:
    """Return whether Toril made the tables, and they are as it wants them."""
    return _version(connection) == HEAD


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()


def _check(connection: Connection) -> None:
    inspector = inspect(connection)
    for table in Base.metadata.sorted_tables:
        if not inspector.has_table(table.name):
            raise StoreRefused(f"delivery log: the application made its tables, and {table.name} is missing")
        there = {column["name"] for column in inspector.get_columns(table.name)}
        if missing := [column.name for column in table.columns if column.name not in there]:
            raise StoreRefused(
                f"delivery log: the application made its tables, and {table.name} lacks {', '.join(missing)}"
            )
