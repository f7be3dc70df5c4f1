"""The delivery log."""

import sqlalchemy as sa
from alembic import op

from toril.messaging.models import Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "email_logs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("sent_at", Moment),
        sa.Column("first_try_at", Moment),
        sa.Column("send_at", Moment, nullable=False),
        sa.Column("look_at", Moment),
        sa.Column("give_up_at", Moment),
        sa.Column("recipient_name", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("context", sa.Text, nullable=False),
    )
    op.create_index("ix_email_logs_recipient", "email_logs", ["recipient"])
    op.create_index("ix_email_logs_created_at", "email_logs", ["created_at"])
    not_final = sa.text("look_at IS NOT NULL")
    op.create_index("ix_email_logs_due", "email_logs", ["look_at"], sqlite_where=not_final, postgresql_where=not_final)
    op.create_table(
        "email_events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email_id", sa.Text, sa.ForeignKey("email_logs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("ix_email_events_email_id", "email_events", ["email_id"])


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("email_events")
    op.drop_table("email_logs")
