"""A position knows the horizon below which its first reading began, so that a restart on the way is not taken for an absence."""

import sqlalchemy as sa
from alembic import op

revision = "matches_0010"
down_revision = "matches_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision; a first reading that is under way counts as none, as before."""
    op.add_column("positions", sa.Column("begun", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
