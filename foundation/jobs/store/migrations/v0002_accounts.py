"""Accounts: users, logins that were ended early, and for how long each owner's jobs computed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "users",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(40), nullable=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password", sa.String(200), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("stamp", sa.String(32), nullable=False),
        sa.Column("api_token", sa.String(64), nullable=True),
        sa.Column("created", sa.Double(), nullable=False),
        sa.UniqueConstraint("name", name="uq_users_name"),
        sa.UniqueConstraint("owner", name="uq_users_owner"),
        sa.UniqueConstraint("api_token", name="uq_users_api_token"),
    )
    op.create_table(
        "ended_logins",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("until", sa.Double(), nullable=False),
    )
    op.create_table(
        "work",
        sa.Column("owner", sa.String(200), primary_key=True),
        sa.Column("hour", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("seconds", sa.Double(), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("work", "ended_logins", "users"):
        op.drop_table(table)
