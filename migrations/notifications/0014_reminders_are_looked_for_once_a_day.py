"""Reminders of a project are looked for once a day, and anew once it is revised or something was told of it."""

import sqlalchemy as sa
from alembic import op

revision = "notifications_0014"
down_revision = "notifications_0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("projects", sa.Column("reminded_at", sa.Text(), nullable=True))
    op.drop_index("notices_by_project", table_name="notices")
    op.create_index("notices_by_project", "notices", ["project", "made_at"], unique=False)


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
