"""What came back of deliveries."""

import sqlalchemy as sa
from alembic import op

from digest.catalog.tables import Instant

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "bounce_scores",
        sa.Column("fingerprint", sa.String(length=64), primary_key=True),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("last", Instant(), nullable=False),
    )
    op.create_table(
        "feedback",
        sa.Column("key", sa.String(length=40), primary_key=True),
        sa.Column("what", sa.String(length=12), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("at", Instant(), nullable=False),
    )
