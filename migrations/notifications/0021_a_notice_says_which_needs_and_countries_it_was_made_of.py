"""A notice says which needs and countries it was made of, for they may change and be changed back before a digest leaves."""

import sqlalchemy as sa
from alembic import op

revision = "notifications_0021"
down_revision = "notifications_0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision; of what was said by then it is not known, so its next change is told."""
    op.add_column("notices", sa.Column("facts", sa.Text(), nullable=True))


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
