"""A change of a project is known by its revision: it may return to what it was, and is news all the same."""

import sqlalchemy as sa
from alembic import op

revision = "notifications_0013"
down_revision = "notifications_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("lists", sa.Column("told_incarnation", sa.BigInteger(), nullable=True))
    op.add_column("lists", sa.Column("told_version", sa.BigInteger(), nullable=True))
    op.add_column("dismissals", sa.Column("incarnation", sa.BigInteger(), nullable=True))
    op.add_column("dismissals", sa.Column("version", sa.BigInteger(), nullable=True))
    op.add_column("dismissals", sa.Column("lifted", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("dismissals_by_project", "dismissals", ["project"], unique=False)
    for column in ("incarnation", "version"):
        # Of a project with a change that has still to be told nothing is said: whatever comes is above.
        op.execute(
            f"UPDATE lists SET told_{column} = (SELECT {column} FROM projects"  # noqa: S608 - two fixed names
            " WHERE projects.id = lists.project AND projects.facts_hash = lists.told_facts)"
        )
        op.execute(
            f"UPDATE dismissals SET {column} ="  # noqa: S608 - two fixed names
            f" (SELECT {column} FROM projects WHERE projects.id = dismissals.project)"
        )
    op.execute(
        sa.text(
            "UPDATE dismissals SET lifted = :yes WHERE facts_hash <>"
            " (SELECT facts_hash FROM projects WHERE projects.id = dismissals.project)"
        ).bindparams(sa.bindparam("yes", value=True, type_=sa.Boolean()))
    )


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
