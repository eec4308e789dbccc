"""An endpoint's messages are found by when they were made, for their ids say nothing of it."""

from alembic import op

revision = "notifications_0016"
down_revision = "notifications_0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.drop_index("deliveries_by_endpoint", table_name="deliveries")
    op.create_index("deliveries_by_endpoint", "deliveries", ["endpoint", "created_at", "id"], unique=False)


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
