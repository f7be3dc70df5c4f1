"""The trace in which a message was accepted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add its column."""
    op.add_column("email_logs", sa.Column("trace", sa.Text))


def downgrade() -> None:
    """Drop its column."""
    op.drop_column("email_logs", "trace")
