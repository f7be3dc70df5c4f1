"""Alembic's entry: runs the steps on the connection that `upgrade` hands over."""

from alembic import context

from toril.messaging.migrations import VERSION_TABLE
from toril.messaging.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
