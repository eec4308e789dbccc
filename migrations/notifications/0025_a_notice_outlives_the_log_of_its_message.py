"""A notice keeps whether its message may not have arrived, for longer than the log keeps the message."""

import sqlalchemy as sa
from alembic import op

revision = "notifications_0025"
down_revision = "notifications_0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("notices", sa.Column("unsure", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
