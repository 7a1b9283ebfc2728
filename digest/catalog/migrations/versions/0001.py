"""Everything of the first version."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from digest.catalog.tables import Instant

revision = "0001"
down_revision = None


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    op.create_table(
        "cards",
        sa.Column("hash", sa.String(length=32), primary_key=True),
        sa.Column("content", sa.Text(), nullable=False),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("subscriber", sa.String(length=32), nullable=False, index=True),
        sa.Column("event", sa.String(length=20), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("proof", sa.JSON(), nullable=False),
    )
    op.create_table(
        "editions",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("date", sa.Date(), nullable=False, unique=True),
        sa.Column("opened", Instant(), nullable=False),
        sa.Column("topics", sa.JSON(), nullable=False),
    )
    op.create_table(
        "papers",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("abstract", sa.Text(), nullable=False),
        sa.Column("authors", sa.JSON(), nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("links", sa.JSON(), nullable=False),
        sa.Column("announced", Instant(), nullable=False),
        sa.Column("first_seen", Instant(), nullable=False),
        sa.Column("signalled", Instant()),
        sa.Column("since", Instant(), index=True),
    )
    op.create_table(
        "sign_ups",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("public_id", sa.String(length=32), nullable=False, unique=True),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("network", sa.String(length=64), nullable=False),
        sa.Column("wishes", sa.JSON(), nullable=False),
        sa.Column("proof", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False, index=True),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("mailed", Instant()),
        sa.Column("confirmed", Instant()),
        sa.Index("ix_sign_ups_fingerprint_mailed", "fingerprint", "mailed"),
        sa.Index("ix_sign_ups_network_mailed", "network", "mailed"),
    )
    op.create_table(
        "sources",
        sa.Column("name", sa.String(length=100), primary_key=True),
        sa.Column("etag", sa.Text()),
        sa.Column("modified", sa.Text()),
        sa.Column("fingerprint", sa.Text()),
        sa.Column("newest", sa.Text()),
        sa.Column("asked", Instant(), nullable=False),
        sa.Column("answered", Instant()),
        sa.Column("brought", Instant()),
        sa.Column("error", sa.Text()),
    )
    op.create_table(
        "stationery",
        sa.Column("hash", sa.String(length=32), primary_key=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False, index=True),
        sa.Column("content", sa.Text(), nullable=False),
    )
    op.create_table(
        "subscribers",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("public_id", sa.String(length=32), nullable=False, unique=True),
        sa.Column("address", sa.String(length=320)),
        sa.Column("standing", sa.String(length=10), nullable=False),
        sa.Column("cadence", sa.String(length=10), nullable=False),
        sa.Column("days", sa.JSON(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("minimum", sa.Integer(), nullable=False),
        sa.Column("since", Instant()),
        sa.Column("paused_until", sa.Date()),
        sa.Column("next_turn", sa.String(length=10)),
        sa.Column("next_due", Instant()),
        sa.Index("ix_subscribers_address", sa.text("lower(address)"), unique=True),
        sa.Index("ix_subscribers_due", "next_due", **_where("standing = 'active'")),
    )
    op.create_table(
        "suppressions",
        sa.Column("fingerprint", sa.String(length=64), primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
    )
    op.create_table(
        "switches",
        sa.Column("name", sa.String(length=20), primary_key=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
    )
    op.create_table(
        "topics",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("slug", sa.String(length=100), nullable=False, unique=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("keywords", sa.JSON(), nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("exclusions", sa.JSON(), nullable=False),
        sa.Column("position", sa.Integer()),
    )
    op.create_table(
        "candidates",
        sa.Column("edition_id", sa.Integer(), sa.ForeignKey("editions.id"), primary_key=True),
        sa.Column("ordinal", sa.Integer(), primary_key=True),
        sa.Column("paper_id", sa.Integer(), sa.ForeignKey("papers.id"), nullable=False),
        sa.Column("card", sa.String(length=32), sa.ForeignKey("cards.hash"), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("trend", sa.Float(), nullable=False),
        sa.Column("trend_line", sa.Text(), nullable=False),
    )
    op.create_table(
        "digests",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("subscriber_id", sa.Integer(), sa.ForeignKey("subscribers.id"), nullable=False),
        sa.Column("turn", sa.String(length=10), nullable=False),
        sa.Column("edition_id", sa.Integer(), sa.ForeignKey("editions.id"), index=True),
        sa.Column("picks", sa.LargeBinary(), nullable=False),
        sa.Column("template", sa.String(length=32), sa.ForeignKey("stationery.hash")),
        sa.Column("message_id", sa.String(length=200)),
        sa.Column("date", Instant(), nullable=False),
        sa.Column("deadline", Instant(), nullable=False),
        sa.Column("since", sa.Date()),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("not_before", Instant()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("worker", sa.String(length=64)),
        sa.Column("sha256", sa.String(length=64)),
        sa.Column("resent", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("ended", Instant()),
        sa.UniqueConstraint("subscriber_id", "turn"),
        sa.Index("ix_digests_open", "state", "not_before", **_where("state IN ('pending', 'sending', 'uncertain')")),
    )
    op.create_table(
        "interests",
        sa.Column("subscriber_id", sa.Integer(), sa.ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("topic_id", sa.Integer(), sa.ForeignKey("topics.id")),
        sa.Column("text", sa.Text()),
        sa.Column("weight", sa.Float(), nullable=False),
    )
    op.create_table(
        "listings",
        sa.Column("source", sa.String(length=100), primary_key=True),
        sa.Column("key", sa.String(length=1000), primary_key=True),
        sa.Column("paper_id", sa.Integer(), sa.ForeignKey("papers.id"), nullable=False, index=True),
        sa.Column("announced", Instant()),
        sa.Column("announce_type", sa.String(length=20)),
        sa.Column("first_seen", Instant(), nullable=False),
    )
    op.create_table(
        "paper_ids",
        sa.Column("scheme", sa.String(length=16), primary_key=True),
        sa.Column("value", sa.String(length=1000), primary_key=True),
        sa.Column("paper_id", sa.Integer(), sa.ForeignKey("papers.id"), nullable=False, index=True),
    )
    op.create_table(
        "signals",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("paper_id", sa.Integer(), sa.ForeignKey("papers.id"), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Index("ix_signals_paper_id_at", "paper_id", "at"),
    )
