"""What the second round of work remembers: health of sources, votes, wishes, leases."""

import sqlalchemy as sa
from alembic import op

from digest.catalog.tables import Instant

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    for name in ("shape", "lacking"):
        op.add_column("sources", sa.Column(name, sa.JSON(), nullable=True))
    op.create_table(
        "source_days",
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("part", sa.String(length=30), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("brought", Instant(), nullable=True),
        sa.Column("asked", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("source", "part", "day", name=op.f("pk_source_days")),
    )
    op.add_column("editions", sa.Column("notes", sa.JSON(), nullable=True))
    op.add_column("subscribers", sa.Column("steering", sa.JSON(), nullable=True))
    op.create_table(
        "votes",
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("paper_id", sa.Integer(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("origin", sa.String(length=10), nullable=False),
        sa.ForeignKeyConstraint(["paper_id"], ["papers.id"], name=op.f("fk_votes_paper_id")),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name=op.f("fk_votes_subscriber_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("subscriber_id", "paper_id", name=op.f("pk_votes")),
    )
