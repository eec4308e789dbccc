"""An endpoint has an address that hears when it fails, and a mail to it names the endpoint."""

import sqlalchemy as sa
from alembic import op

revision = "notifications_0015"
down_revision = "notifications_0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    for name in ("contact_email", "contact_language", "contact_asked_at", "contact_confirmed_at"):
        op.add_column("endpoints", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("deliveries", sa.Column("contact_of", sa.Text(), nullable=True))


def downgrade() -> None:
    """Refuse: an old program on a new schema is served by expanding first, data by a backup."""
    raise NotImplementedError("Migrations go forward only; restore a backup instead.")
