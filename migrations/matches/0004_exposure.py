"""list versions carry the attention that they give and owe, their lane, and until when they were shown."""

import sqlalchemy as sa
from alembic import op

revision = "matches_0004"
down_revision = "matches_0003"
branch_labels = None
depends_on = None

_SHOWN = "shown_until IS NULL AND attention IS NOT NULL"


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("list_versions", sa.Column("attention", sa.LargeBinary(), nullable=True))
    op.add_column("list_versions", sa.Column("lane", sa.Text(), nullable=True))
    op.add_column("list_versions", sa.Column("shown_until", sa.Text(), nullable=True))
    op.execute(
        "UPDATE list_versions SET shown_until = (SELECT later.created_at FROM list_versions AS later "
        "WHERE later.project = list_versions.project AND later.number = list_versions.number + 1)"
    )
    op.create_index(
        "list_versions_shown",
        "list_versions",
        ["project", "number"],
        unique=False,
        sqlite_where=sa.text(_SHOWN),
        postgresql_where=sa.text(_SHOWN),
    )
    op.create_index("list_versions_by_end", "list_versions", ["shown_until"], unique=False)


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
