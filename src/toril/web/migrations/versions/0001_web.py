"""Users, tokens, failed logins, the audit log, answers to idempotent requests."""

import sqlalchemy as sa
from alembic import op

from toril.messaging.models import Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    _access()
    _records()


def _access() -> None:
    op.create_table(
        "toril_users",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("sessions_from", Moment, nullable=False),
    )
    op.create_table(
        "toril_tokens",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("expires_at", Moment),
        sa.Column("revoked_at", Moment),
        sa.Column("used_at", Moment),
    )
    op.create_table(
        "toril_login_failures",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("last_at", Moment, nullable=False),
    )


def _records() -> None:
    op.create_table(
        "toril_audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", Moment, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("queue", sa.Text),
        sa.Column("jobs", sa.Text, nullable=False),
        sa.Column("count", sa.Integer),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
    )
    op.create_index("ix_toril_audit_at", "toril_audit", ["at"])
    op.create_table(
        "toril_answers",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("body", sa.Text),
    )
    op.create_index("ix_toril_answers_at", "toril_answers", ["at"])


def downgrade() -> None:
    """Drop the tables."""
    for table in ("toril_answers", "toril_audit", "toril_login_failures", "toril_tokens", "toril_users"):
        op.drop_table(table)
