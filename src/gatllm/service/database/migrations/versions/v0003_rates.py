"""Rates that workers share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "rates",
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("earned", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("client"),
    )
    with op.batch_alter_table("rates", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rates_earned"), ["earned"], unique=False)


def downgrade() -> None:
    """Take them away."""
    op.drop_table("rates")
