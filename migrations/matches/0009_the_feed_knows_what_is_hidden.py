"""entries know whether their project is at rest or withdrawn: then an organisation is not told of it."""

import sqlalchemy as sa
from alembic import op

revision = "matches_0009"
down_revision = "matches_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision. What is hidden today is known with the next entry of its project."""
    op.add_column("feed", sa.Column("hidden", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
