"""list versions say up to which late revision their index had come."""

import sqlalchemy as sa
from alembic import op

revision = "matches_0003"
down_revision = "matches_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column(
        "list_versions", sa.Column("late", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_column("list_versions", "late")
