"""list versions say up to which late revision their index had come."""

import sqlalchemy as sa
from alembic import op

revision = "matches_0003"
down_revision = "matches_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column(
        "list_versions", sa.Column("late", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
