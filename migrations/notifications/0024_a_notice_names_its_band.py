"""A notice names its band beside its data, so that a cycle can hold a pair against what was told last of it."""

import orjson
import sqlalchemy as sa
from alembic import op

revision = "notifications_0024"
down_revision = "notifications_0023"
branch_labels = None
depends_on = None

AT_ONCE = 1000


def upgrade() -> None:
    """Bring the tables to this revision; the bands of what is kept are read from it, a part at a time."""
    op.add_column("notices", sa.Column("band", sa.Text(), nullable=True))
    connection = op.get_bind()
    some = sa.text(
        "SELECT id, data FROM notices WHERE data IS NOT NULL AND id > :last ORDER BY id LIMIT :some"
    )
    named = sa.text("UPDATE notices SET band = :band WHERE id = :id")
    last = ""
    while rows := connection.execute(some, {"last": last, "some": AT_ONCE}).all():
        connection.execute(
            named, [{"id": row.id, "band": orjson.loads(bytes(row.data)).get("band")} for row in rows]
        )
        last = rows[-1].id


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
