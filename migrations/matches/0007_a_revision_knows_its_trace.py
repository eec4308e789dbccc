"""the archive keeps the trace of the write that each revision came from, so that ranking goes on with it."""

import sqlalchemy as sa
from alembic import op

revision = "matches_0007"
down_revision = "matches_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("documents", sa.Column("traceparent", sa.Text(), nullable=True))


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
