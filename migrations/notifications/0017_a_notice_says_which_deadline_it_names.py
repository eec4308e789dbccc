"""A notice says which deadline it names, for a deadline may be moved before its message leaves, or after."""

import sqlalchemy as sa
from alembic import op

revision = "notifications_0017"
down_revision = "notifications_0016"
branch_labels = None
depends_on = None

_NAMED = {
    "sqlite": "UPDATE notices SET deadline = coalesce(json_extract(CAST(data AS TEXT), '$.deadline'), '') "
    "WHERE data IS NOT NULL",
    "postgresql": "UPDATE notices SET deadline = coalesce(convert_from(data, 'UTF8')::json ->> 'deadline', '') "
    "WHERE data IS NOT NULL",
}


def upgrade() -> None:
    """Bring the tables to this revision; what was said by then says it itself."""
    op.add_column("notices", sa.Column("deadline", sa.Text(), nullable=True))
    op.execute(_NAMED[op.get_bind().dialect.name])


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
