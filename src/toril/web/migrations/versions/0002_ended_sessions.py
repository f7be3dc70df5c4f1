"""Sessions that were ended before their time."""

import sqlalchemy as sa
from alembic import op

from toril.messaging.models import Moment

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "toril_ended_sessions",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("until", Moment, nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("toril_ended_sessions")
