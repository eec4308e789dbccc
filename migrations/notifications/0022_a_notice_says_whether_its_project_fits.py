"""A notice says whether its project is open and asked for by it, and a list by which day that was told."""

from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

revision = "notifications_0022"
down_revision = "notifications_0021"
branch_labels = None
depends_on = None

BANDS = ("weak", "possible", "good", "strong")
REMINDER = "org.comity.opportunity.closing-soon.v1"
ENDS = (
    "org.comity.match.withdrawn.v1",
    "org.comity.opportunity.closed.v1",
    "org.comity.opportunity.withdrawn.v1",
)


def upgrade() -> None:
    """Bring the tables to this revision; of a fall the band that it names says whether that was asked for."""
    op.add_column("lists", sa.Column("told_day", sa.Text(), nullable=True))
    op.add_column("notices", sa.Column("fits", sa.Boolean(), nullable=True))
    op.execute("UPDATE lists SET told_day = reference_date WHERE told_asked IS NOT NULL")
    fits = sa.column("fits", sa.Boolean)
    kind, rule = sa.column("type", sa.Text), sa.column("rule", sa.Text)
    notices = sa.table("notices", sa.column("id", sa.Text), fits, kind, rule)
    op.execute(
        sa.update(notices)
        .where(kind != REMINDER)
        .values({fits: sa.and_(kind.not_in(ENDS), rule != "left-conditions")})
    )
    connection = op.get_bind()
    falls = connection.execute(
        sa.text(
            "SELECT notices.id, notices.data, subscriptions.conditions, standings.band FROM notices"
            " JOIN subscriptions ON subscriptions.id = notices.subscription"
            " LEFT JOIN standings ON standings.project = notices.project"
            " AND standings.organisation = notices.organisation WHERE notices.rule = 'band-fell'"
        )
    )
    fell_out = [{"this": row.id} for row in falls if _fell_out(row)]
    if fell_out:
        out = sa.update(notices).where(notices.c.id == sa.bindparam("this")).values({fits: False})
        connection.execute(out, fell_out)


def _fell_out(row: Any) -> bool:
    least = orjson.loads(bytes(row.conditions)).get("minimum_band")
    band = orjson.loads(bytes(row.data))["band"] if row.data is not None else row.band
    return least is not None and (band is None or BANDS.index(band) < BANDS.index(least))


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
