"""what has ended is found by when, so that the delivery log can let go of what is old."""

from alembic import op

revision = "notifications_0003"
down_revision = "notifications_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_index("deliveries_by_end", "deliveries", ["ended_at"], unique=False)
    op.create_index("notices_by_delivery", "notices", ["delivery"], unique=False)


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
