"""Everything of the first version."""

import sqlalchemy as sa
from alembic import op

from digest.catalog.tables import Instant

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "cards",
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_cards")),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscriber", sa.String(length=32), nullable=False),
        sa.Column("event", sa.String(length=20), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("proof", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_consents_subscriber"), ["subscriber"], unique=False)

    op.create_table(
        "editions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("opened", Instant(), nullable=False),
        sa.Column("topics", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_editions")),
        sa.UniqueConstraint("date", name=op.f("uq_editions_date")),
    )
    op.create_table(
        "papers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("abstract", sa.Text(), nullable=False),
        sa.Column("authors", sa.JSON(), nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("links", sa.JSON(), nullable=False),
        sa.Column("announced", Instant(), nullable=False),
        sa.Column("first_seen", Instant(), nullable=False),
        sa.Column("signalled", Instant()),
        sa.Column("since", Instant()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_papers")),
    )
    with op.batch_alter_table("papers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_papers_since"), ["since"], unique=False)

    op.create_table(
        "sign_ups",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("network", sa.String(length=64), nullable=False),
        sa.Column("wishes", sa.JSON(), nullable=False),
        sa.Column("proof", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("mailed", Instant()),
        sa.Column("confirmed", Instant()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ups")),
        sa.UniqueConstraint("public_id", name=op.f("uq_sign_ups_public_id")),
    )
    with op.batch_alter_table("sign_ups", schema=None) as batch_op:
        batch_op.create_index("ix_sign_ups_fingerprint_mailed", ["fingerprint", "mailed"], unique=False)
        batch_op.create_index("ix_sign_ups_network_mailed", ["network", "mailed"], unique=False)
        batch_op.create_index("ix_sign_ups_state", ["state"], unique=False)

    op.create_table(
        "sources",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("etag", sa.Text()),
        sa.Column("modified", sa.Text()),
        sa.Column("fingerprint", sa.Text()),
        sa.Column("newest", sa.Text()),
        sa.Column("asked", Instant(), nullable=False),
        sa.Column("answered", Instant()),
        sa.Column("brought", Instant()),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sources")),
    )
    op.create_table(
        "stationery",
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_stationery")),
    )
    with op.batch_alter_table("stationery", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_stationery_fingerprint"), ["fingerprint"], unique=False)

    op.create_table(
        "subscribers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
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
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscribers")),
        sa.UniqueConstraint("public_id", name=op.f("uq_subscribers_public_id")),
    )
    with op.batch_alter_table("subscribers", schema=None) as batch_op:
        batch_op.create_index("ix_subscribers_address", [sa.text("lower(address)")], unique=True)
        batch_op.create_index(
            "ix_subscribers_due",
            ["next_due"],
            unique=False,
            sqlite_where=sa.text("standing = 'active'"),
            postgresql_where=sa.text("standing = 'active'"),
        )

    op.create_table(
        "suppressions",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_suppressions")),
    )
    op.create_table(
        "switches",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_switches")),
    )
    op.create_table(
        "topics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=100), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("keywords", sa.JSON(), nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("exclusions", sa.JSON(), nullable=False),
        sa.Column("position", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_topics")),
        sa.UniqueConstraint("slug", name=op.f("uq_topics_slug")),
    )
    op.create_table(
        "candidates",
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("paper_id", sa.Integer(), nullable=False),
        sa.Column("card", sa.String(length=32), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("trend", sa.Float(), nullable=False),
        sa.Column("trend_line", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["card"], ["cards.hash"], name=op.f("fk_candidates_card")),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_candidates_edition_id")),
        sa.ForeignKeyConstraint(["paper_id"], ["papers.id"], name=op.f("fk_candidates_paper_id")),
        sa.PrimaryKeyConstraint("edition_id", "ordinal", name=op.f("pk_candidates")),
    )
    op.create_table(
        "digests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("turn", sa.String(length=10), nullable=False),
        sa.Column("edition_id", sa.Integer()),
        sa.Column("picks", sa.LargeBinary(), nullable=False),
        sa.Column("template", sa.String(length=32)),
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
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_digests_edition_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], name=op.f("fk_digests_subscriber_id")),
        sa.ForeignKeyConstraint(["template"], ["stationery.hash"], name=op.f("fk_digests_template")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digests")),
        sa.UniqueConstraint("subscriber_id", "turn", name=op.f("uq_digests_subscriber_id_turn")),
    )
    with op.batch_alter_table("digests", schema=None) as batch_op:
        batch_op.create_index("ix_digests_edition_id", ["edition_id"], unique=False)
        batch_op.create_index(
            "ix_digests_open",
            ["state", "not_before"],
            unique=False,
            sqlite_where=sa.text("state IN ('pending', 'sending', 'uncertain')"),
            postgresql_where=sa.text("state IN ('pending', 'sending', 'uncertain')"),
        )

    op.create_table(
        "interests",
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("topic_id", sa.Integer()),
        sa.Column("text", sa.Text()),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name=op.f("fk_interests_subscriber_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["topic_id"], ["topics.id"], name=op.f("fk_interests_topic_id")),
        sa.PrimaryKeyConstraint("subscriber_id", "position", name=op.f("pk_interests")),
    )
    op.create_table(
        "listings",
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=1000), nullable=False),
        sa.Column("paper_id", sa.Integer(), nullable=False),
        sa.Column("announced", Instant()),
        sa.Column("announce_type", sa.String(length=20)),
        sa.Column("first_seen", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["paper_id"], ["papers.id"], name=op.f("fk_listings_paper_id")),
        sa.PrimaryKeyConstraint("source", "key", name=op.f("pk_listings")),
    )
    with op.batch_alter_table("listings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_listings_paper_id"), ["paper_id"], unique=False)

    op.create_table(
        "paper_ids",
        sa.Column("scheme", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=1000), nullable=False),
        sa.Column("paper_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["paper_id"], ["papers.id"], name=op.f("fk_paper_ids_paper_id")),
        sa.PrimaryKeyConstraint("scheme", "value", name=op.f("pk_paper_ids")),
    )
    with op.batch_alter_table("paper_ids", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_paper_ids_paper_id"), ["paper_id"], unique=False)

    op.create_table(
        "signals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("paper_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["paper_id"], ["papers.id"], name=op.f("fk_signals_paper_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signals")),
    )
    with op.batch_alter_table("signals", schema=None) as batch_op:
        batch_op.create_index("ix_signals_paper_id_at", ["paper_id", "at"], unique=False)
