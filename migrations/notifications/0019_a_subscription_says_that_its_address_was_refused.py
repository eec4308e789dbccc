"""A subscription says that its address was refused, and its news waits until that is lifted."""

import sqlalchemy as sa
from alembic import op

revision = "notifications_0019"
down_revision = "notifications_0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision; one whose address was refused before says so at its next mail."""
    op.add_column("subscriptions", sa.Column("refused_at", sa.Text(), nullable=True))


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
