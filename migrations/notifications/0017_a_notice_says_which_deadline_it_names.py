"""A notice says which deadline it names, for a deadline may be moved before its message leaves, or after."""

import sqlalchemy as sa
from alembic import op

revision = "notifications_0017"
down_revision = "notifications_0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("notices", sa.Column("deadline", sa.Text(), nullable=True))


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
