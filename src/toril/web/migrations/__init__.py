"""The schema of the on-call screen's tables, step by step; `upgrade` brings a database to the newest."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from toril.errors import StoreRefused

__all__ = ["HEAD", "VERSION_TABLE", "upgrade"]

HEAD = "0002"
VERSION_TABLE = "toril_web_version"  # a database may hold the delivery log and the host's own tables, too
_LOCK = 0x746F72696D  # of PostgreSQL's advisory locks; the delivery log has the one before


def upgrade(connection: Connection) -> None:
    """Bring the schema to HEAD inside the connection's transaction; raise StoreRefused if a newer Toril was here."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    found = None
    if inspect(connection).has_table(VERSION_TABLE):
        found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise StoreRefused(f"tables of the web part: written by a newer Toril (schema {found}, this one knows {HEAD})")
    # Only now: Alembic takes longer to import than the check takes to run.
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "toril.web:migrations")
    command.upgrade(config, HEAD)
