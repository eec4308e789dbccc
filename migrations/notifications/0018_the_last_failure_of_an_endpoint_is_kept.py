"""The last failure of an endpoint is kept: one that comes long after it is no part of the same outage."""

import sqlalchemy as sa
from alembic import op

revision = "notifications_0018"
down_revision = "notifications_0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision; of those that fail now the first failure is known, and the last try that is kept."""
    for name in ("failed_at", "outage_since"):
        op.add_column("endpoints", sa.Column(name, sa.Text(), nullable=True))
    op.execute(
        "UPDATE endpoints SET outage_since = failing_since, failed_at = coalesce(("
        "SELECT max(ended_at) FROM attempts WHERE endpoint = endpoints.id AND outcome = 'failed'), failing_since) "
        "WHERE failing_since IS NOT NULL"
    )


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
