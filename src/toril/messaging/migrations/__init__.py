"""The delivery log's schema, step by step; `upgrade` brings a database to the newest."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from toril.errors import StoreRefused

__all__ = ["HEAD", "upgrade"]

HEAD = "0001"
_LOCK = 0x746F72696C  # of PostgreSQL's advisory locks: "toril"


def upgrade(connection: Connection) -> None:
    """Bring the schema to HEAD inside the connection's transaction, which other processes wait for.

    Raises StoreRefused if a newer Toril has been here.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    if (found := _version(connection)) == HEAD:
        return
    # Only now: Alembic takes longer to import than the check takes to run.
    from alembic import command
    from alembic.config import Config

    if found is not None and found > HEAD:
        raise StoreRefused(f"delivery log: written by a newer Toril (schema {found}, this one knows {HEAD})")
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "toril.messaging:migrations")
    command.upgrade(config, HEAD)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
