"""What the second round of work remembers: health of sources, votes, wishes, leases."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from digest.catalog.tables import Instant

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("digests", sa.Column("provider_id", sa.String(length=200), nullable=True))
    _partial("ix_digests_provider_id", ["provider_id"], "provider_id IS NOT NULL")
    op.drop_index("ix_digests_open", "digests")
    _partial("ix_digests_open", ["state", "not_before", "id"], "state IN ('pending', 'sending', 'uncertain')")
    for name in ("shape", "lacking"):
        op.add_column("sources", sa.Column(name, sa.JSON(), nullable=True))
    op.create_table(
        "source_days",
        sa.Column("source", sa.String(length=100), primary_key=True),
        sa.Column("part", sa.String(length=30), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("brought", Instant(), nullable=True),
        sa.Column("asked", Instant(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
    )
    whole = sa.ForeignKey("papers.id", name=op.f("fk_papers_part_of"))
    op.add_column("papers", sa.Column("part_of", sa.Integer(), whole, nullable=True), inline_references=True)
    op.add_column("papers", sa.Column("version", sa.Integer(), server_default="0", nullable=False))
    op.add_column("papers", sa.Column("language", sa.String(length=2), server_default="", nullable=False))
    op.add_column("papers", sa.Column("keywords", sa.JSON(), server_default="[]", nullable=False))
    op.create_index(op.f("ix_papers_part_of"), "papers", ["part_of"])
    op.execute("UPDATE paper_ids SET scheme = 'preprint' WHERE scheme = 'doi' AND value LIKE '10.1101/%'")
    op.create_table(
        "merges",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("part", sa.Integer(), sa.ForeignKey("papers.id"), nullable=False, index=True),
        sa.Column("whole", sa.Integer(), sa.ForeignKey("papers.id"), nullable=False, index=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("undone", Instant(), nullable=True),
    )
    op.create_table(
        "events",
        sa.Column("paper_id", sa.Integer(), sa.ForeignKey("papers.id"), primary_key=True),
        sa.Column("kind", sa.String(length=12), primary_key=True),
        sa.Column("detail", sa.String(length=200), primary_key=True),
        sa.Column("at", Instant(), nullable=False, index=True),
    )
    op.create_table(
        "picks",
        sa.Column("paper_id", sa.Integer(), sa.ForeignKey("papers.id"), primary_key=True),
        sa.Column("curator", sa.String(length=200), primary_key=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
    )
    op.add_column("editions", sa.Column("notes", sa.JSON(), nullable=True))
    op.add_column("candidates", sa.Column("chance", sa.Float(), server_default="0", nullable=False))
    op.add_column("candidates", sa.Column("event", sa.String(length=200), server_default="", nullable=False))
    op.add_column("candidates", sa.Column("happened", Instant(), nullable=True))
    op.create_index(op.f("ix_candidates_paper_id"), "candidates", ["paper_id"])
    op.add_column("subscribers", sa.Column("steering", sa.JSON(), nullable=True))
    op.add_column("subscribers", sa.Column("interest", sa.JSON(), server_default="{}", nullable=False))
    _gather_interests()
    op.drop_table("interests")
    op.drop_index("ix_sign_ups_state", "sign_ups")
    op.create_index("ix_sign_ups_state", "sign_ups", ["state", "at"])
    op.create_index("ix_sign_ups_at", "sign_ups", ["at"])
    op.create_table(
        "votes",
        sa.Column("subscriber_id", sa.Integer(), sa.ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("paper_id", sa.Integer(), sa.ForeignKey("papers.id"), primary_key=True),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("origin", sa.String(length=10), nullable=False),
    )
    op.create_table(
        "deliverers",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("until", Instant(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "records",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("deliverer_id", sa.Integer(), sa.ForeignKey("deliverers.id"), nullable=False, index=True),
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
    )


def _partial(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "digests", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _gather_interests() -> None:
    """What stood in a row each becomes one document a subscriber."""
    said = {"text": "texts", "keyword": "keywords", "category": "categories"}
    said |= {"author": "authors", "exclusion": "exclusions"}
    wanted = "SELECT subscriber_id, kind, topic_id, text, weight FROM interests ORDER BY subscriber_id, position"
    documents: dict[int, dict[str, Any]] = {}
    for number, kind, topic, text, weight in op.get_bind().execute(sa.text(wanted)):
        document = documents.setdefault(number, {})
        if kind == "topic":
            document.setdefault("topics", []).append(topic)
            document.setdefault("weights", []).append(weight)
        else:
            document.setdefault(said[kind], []).append(text)
    s = sa.table("subscribers", sa.column("id"), sa.column("interest", sa.JSON()))
    for number, document in documents.items():
        op.execute(s.update().where(s.c.id == number).values(interest=document))
