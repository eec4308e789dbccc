"""The feed has no quiet hours: what was saved of them held nothing, and is refused when it is saved again."""

from alembic import op

revision = "notifications_0020"
down_revision = "notifications_0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forget them."""
    op.execute("UPDATE subscriptions SET quiet = NULL WHERE channel = 'feed'")


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
