"""Notices can be followed: each that can be read has a position, those of before in the order of their ids."""

import sqlalchemy as sa
from alembic import op

revision = "notifications_0006"
down_revision = "notifications_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "notice_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.add_column("notices", sa.Column("position", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE notices SET position = placed.position FROM"
        " (SELECT id, row_number() OVER (ORDER BY id) AS position FROM notices WHERE state <> 'waiting') AS placed"
        " WHERE placed.id = notices.id"
    )
    op.execute(
        "INSERT INTO notice_head (id, position) SELECT 1, count(*) FROM notices WHERE state <> 'waiting'"
    )
    op.create_index("notices_by_organisation", "notices", ["organisation", "position"], unique=False)


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
