"""the archive keeps where each revision stood when it came, and list versions name the log that their positions count in."""

import sqlalchemy as sa
from alembic import op

revision = "matches_0006"
down_revision = "matches_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("documents", sa.Column("came", sa.BigInteger(), nullable=True))
    op.add_column("list_versions", sa.Column("log", sa.Text(), nullable=True))
    # What a rebuild took the place of before stays without one.
    op.execute('UPDATE documents SET came = "offset"')
    op.execute(
        "UPDATE list_versions SET log = (SELECT min(log) FROM positions "
        "WHERE group_name = 'matches' AND topic = 'members.v1')"
    )


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
