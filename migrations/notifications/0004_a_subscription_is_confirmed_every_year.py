"""a subscription is confirmed every year."""

import sqlalchemy as sa
from alembic import op

revision = "notifications_0004"
down_revision = "notifications_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("subscriptions", sa.Column("confirm_by", sa.Text(), nullable=True))
    op.add_column("subscriptions", sa.Column("lapsed_at", sa.Text(), nullable=True))
    op.create_index("subscriptions_by_confirmed", "subscriptions", ["confirmed_at"], unique=False)
    op.create_index("subscriptions_by_confirm_by", "subscriptions", ["confirm_by"], unique=False)


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
