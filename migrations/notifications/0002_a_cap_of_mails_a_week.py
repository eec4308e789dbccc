"""a cap of mails a week."""

import sqlalchemy as sa
from alembic import op

revision = "notifications_0002"
down_revision = "notifications_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("subscriptions", sa.Column("weekly_cap", sa.Integer(), nullable=True))
    # Who subscribed before there was a choice has what stood as the default when the column came.
    op.execute("UPDATE subscriptions SET weekly_cap = 7 WHERE channel = 'email'")


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
