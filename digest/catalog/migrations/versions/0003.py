"""What the second round of work remembers: health of sources, votes, wishes, leases."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("subscribers", sa.Column("steering", sa.JSON(), nullable=True))
