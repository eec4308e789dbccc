"""entries that tell of projects that have moved; and lists whose projects were erased stand in no current state."""

import sqlalchemy as sa
from alembic import op

revision = "matches_0008"
down_revision = "matches_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("feed", sa.Column("moved", sa.Boolean(), nullable=False, server_default=sa.false()))
    # Until now nothing was fed when a project was erased.
    feed = sa.table(
        "feed", *(sa.column(name) for name in ("project", "organisation")), sa.column("latest", sa.Boolean)
    )
    documents = sa.table(
        "documents", *(sa.column(name) for name in ("id", "kind", "record")), sa.column("latest", sa.Boolean)
    )
    erased = sa.select(documents.c.id).where(
        documents.c.kind == "project", documents.c.latest, documents.c.record.is_(None)
    )
    op.execute(
        sa.update(feed)
        .values(latest=False)
        .where(feed.c.organisation.is_(None), feed.c.latest, feed.c.project.in_(erased))
    )


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
