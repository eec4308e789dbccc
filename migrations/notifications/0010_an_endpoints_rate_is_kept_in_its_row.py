"""An endpoint's rate is kept in its row, so that all processes count into one."""

import sqlalchemy as sa
from alembic import op

revision = "notifications_0010"
down_revision = "notifications_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("endpoints", sa.Column("paced_until", sa.Text(), nullable=True))


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
