"""The delivery log."""

import sqlalchemy as sa
from alembic import op

from toril.messaging.models import Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make its tables."""
    _make_logs()
    _make_events()
    op.create_table(
        "email_keys",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("email_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
    )
    _make_attachments()
    op.create_table(
        "email_suppressions",
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
    )
    op.create_index("ix_email_suppressions_created_at", "email_suppressions", ["created_at"])


def downgrade() -> None:
    """Drop its tables."""
    for table in ("email_suppressions", "email_attachments", "email_files", "email_keys", "email_events", "email_logs"):
        op.drop_table(table)


def _make_logs() -> None:
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
        sa.Column("key", sa.Text),
        sa.Column("batch", sa.Text),
        sa.Column("copy_of", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("locale", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("forgiven", sa.Integer, nullable=False),
        sa.Column("recipient_name", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("extras", sa.Text, nullable=False),
        sa.Column("context", sa.Text, nullable=False),
    )
    _index_logs()


def _index_logs() -> None:
    op.create_index("ix_email_logs_created_at", "email_logs", ["created_at", "status"])
    op.create_index("ix_email_logs_status", "email_logs", ["status", "id"])
    op.create_index("ix_email_logs_type", "email_logs", ["type", "id"])
    op.create_index("ix_email_logs_recipient", "email_logs", [sa.text("lower(recipient)"), "id"])
    for name, columns in {
        "key": ["key", "id"],
        "batch": ["batch", "id"],
        "copy_of": ["copy_of"],
        "due": ["look_at"],
    }.items():
        present = sa.text(f"{columns[0]} IS NOT NULL")
        op.create_index(f"ix_email_logs_{name}", "email_logs", columns, sqlite_where=present, postgresql_where=present)


def _make_events() -> None:
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


def _make_attachments() -> None:
    op.create_table(
        "email_files",
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("used_at", Moment, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_email_files_used_at", "email_files", ["used_at"])
    op.create_table(
        "email_attachments",
        sa.Column("email_id", sa.Text, sa.ForeignKey("email_logs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("hash", sa.Text, sa.ForeignKey("email_files.hash"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
    )
    op.create_index("ix_email_attachments_hash", "email_attachments", ["hash"])
