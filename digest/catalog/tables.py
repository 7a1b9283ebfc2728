"""The tables, in the order in which data reaches them. Whoever changes one adds a migration for older databases."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)


class Instant(TypeDecorator[datetime]):
    """An aware moment, kept in UTC; SQLite has no zones, so they are taken off and put back on the way.

    Many rows have the same moments: each is converted once.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:
        return lru_cache(1024)(super().bind_processor(dialect) or _as_it_is)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return lru_cache(1024)(super().result_processor(dialect, coltype) or _as_it_is)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _as_it_is(value: Any) -> Any:
    return value


def _where(condition: str) -> dict[str, Any]:
    """An index of the rows that meet it."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

papers = Table(
    "papers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("title", Text, nullable=False),
    Column("abstract", Text, nullable=False),
    Column("authors", JSON, nullable=False),
    Column("categories", JSON, nullable=False),
    Column("keywords", JSON, nullable=False, server_default="[]"),
    Column("links", JSON, nullable=False),
    Column("announced", Instant, nullable=False),
    Column("first_seen", Instant, nullable=False),
    Column("signalled", Instant),
    Column("since", Instant, index=True),  # when it became news; null for what only ever was a replacement
    Column("part_of", ForeignKey("papers.id"), index=True),  # the paper that it is one with, never itself a part
    Column("version", Integer, nullable=False, server_default="0"),  # 0: nobody said
    Column("language", String(2), nullable=False, server_default=""),
)

# which papers were found or said to be one; what `part_of` says follows from those that are not undone
merges = Table(
    "merges",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("part", ForeignKey("papers.id"), nullable=False, index=True),
    Column("whole", ForeignKey("papers.id"), nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("undone", Instant),
)

# what happened to a paper after its announcement: a new version, its publication
events = Table(
    "events",
    metadata,
    Column("paper_id", ForeignKey("papers.id"), primary_key=True),
    Column("kind", String(12), primary_key=True),
    Column("detail", String(200), primary_key=True),
    Column("at", Instant, nullable=False, index=True),
)

# one paper per identifier, whatever source named it
paper_ids = Table(
    "paper_ids",
    metadata,
    Column("scheme", String(16), primary_key=True),
    Column("value", String(1000), primary_key=True),
    Column("paper_id", ForeignKey("papers.id"), nullable=False, index=True),
)

listings = Table(
    "listings",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("key", String(1000), primary_key=True),
    Column("paper_id", ForeignKey("papers.id"), nullable=False, index=True),
    Column("announced", Instant),
    Column("announce_type", String(20)),
    Column("first_seen", Instant, nullable=False),
)

# append-only
signals = Table(
    "signals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("paper_id", ForeignKey("papers.id"), nullable=False),
    Column("source", String(100), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("value", Float, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_signals_paper_id_at", "paper_id", "at"),
)

# by people, with what they said of it; each is counted in `signals`
picks = Table(
    "picks",
    metadata,
    Column("paper_id", ForeignKey("papers.id"), primary_key=True),
    Column("curator", String(200), primary_key=True),
    Column("note", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

sources = Table(
    "sources",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("etag", Text),
    Column("modified", Text),
    Column("fingerprint", Text),
    Column("newest", Text),
    Column("asked", Instant, nullable=False),
    Column("answered", Instant),  # last success
    Column("brought", Instant),  # last time something was new
    Column("error", Text),  # of the last attempt, null after a success
    Column("shape", JSON),  # how many of its entries usually have what
    Column("lacking", JSON),  # what they had and have no more, and since when
)

# the days that brought something new, of a source or of an arXiv category in it (`part`)
source_days = Table(
    "source_days",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("part", String(30), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("brought", Instant),  # the first of it; null when it was asked for in vain
    Column("asked", Instant),  # for this one day
    Column("failures", Integer, nullable=False, server_default="0"),  # since it last answered for it
)

topics = Table(
    "topics",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slug", String(100), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("keywords", JSON, nullable=False),
    Column("categories", JSON, nullable=False),
    Column("exclusions", JSON, nullable=False),
    Column("position", Integer),  # null: no longer offered, kept for those who ticked it
)

subscribers = Table(
    "subscribers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("public_id", String(32), nullable=False, unique=True),
    Column("address", String(320)),  # null once erased
    Column("standing", String(10), nullable=False),
    Column("cadence", String(10), nullable=False),
    Column("days", JSON, nullable=False),
    Column("hour", Integer, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("count", Integer, nullable=False),
    Column("minimum", Integer, nullable=False),
    Column("since", Instant),
    Column("paused_until", Date),
    Column("steering", JSON(none_as_null=True)),  # null: as usual
    Column("interest", JSON, nullable=False, server_default="{}"),  # and the dates before topics that came later
    Column("next_turn", String(10)),
    Column("next_due", Instant),
    Index("ix_subscribers_address", text("lower(address)"), unique=True),  # as `by_address` looks for it
    Index("ix_subscribers_due", "next_due", **_where("standing = 'active'")),
)

# one for each subscriber and paper; the last one counts
votes = Table(
    "votes",
    metadata,
    Column("subscriber_id", ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True),
    Column("paper_id", ForeignKey("papers.id"), primary_key=True),
    Column("value", Integer, nullable=False),  # +1 or -1
    Column("at", Instant, nullable=False),
    Column("origin", String(10), nullable=False),  # mail, page or pasted
)

# requests to subscribe, and at the same time the queue of confirmation mails
sign_ups = Table(
    "sign_ups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("public_id", String(32), nullable=False, unique=True),
    Column("address", String(320), nullable=False),
    Column("fingerprint", String(64), nullable=False),  # of the canonical address
    Column("network", String(64), nullable=False),
    Column("wishes", JSON, nullable=False),
    Column("proof", JSON, nullable=False),
    Column("state", String(12), nullable=False),
    Column("at", Instant, nullable=False),
    Column("mailed", Instant),
    Column("confirmed", Instant),
    Index("ix_sign_ups_fingerprint_mailed", "fingerprint", "mailed"),
    Index("ix_sign_ups_network_mailed", "network", "mailed"),
    Index("ix_sign_ups_state", "state", "at"),
    Index("ix_sign_ups_at", "at"),
)

# proof of consent, one row an event (REQ-18)
consents = Table(
    "consents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subscriber", String(32), nullable=False, index=True),
    Column("event", String(20), nullable=False),
    Column("at", Instant, nullable=False),
    Column("proof", JSON, nullable=False),
)

# survives erasure: a keyed hash of the canonical address, never the address (REQ-21)
suppressions = Table(
    "suppressions",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

editions = Table(
    "editions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("date", Date, nullable=False, unique=True),
    Column("opened", Instant, nullable=False),
    Column("topics", JSON, nullable=False),
    Column("notes", JSON),
)

# content-addressed: most cards stand in several editions
cards = Table(
    "cards",
    metadata,
    Column("hash", String(32), primary_key=True),
    Column("content", Text, nullable=False),
)

candidates = Table(
    "candidates",
    metadata,
    Column("edition_id", ForeignKey("editions.id"), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("paper_id", ForeignKey("papers.id"), nullable=False, index=True),
    Column("card", ForeignKey("cards.hash"), nullable=False),
    Column("since", Instant, nullable=False),
    Column("trend", Float, nullable=False),
    Column("trend_line", Text, nullable=False),
    Column("chance", Float, nullable=False, server_default="0"),
    Column("event", String(200), nullable=False, server_default=""),
    Column("happened", Instant),
)

# compiled templates by content, so that any mail can be rebuilt after the template has changed
stationery = Table(
    "stationery",
    metadata,
    Column("hash", String(32), primary_key=True),
    Column("fingerprint", String(64), nullable=False, index=True),
    Column("content", Text, nullable=False),
)

OPEN = text("state IN ('pending', 'sending', 'uncertain')")
"""what is still to be done; said in a query in these words, it is found by the index"""

digests = Table(
    "digests",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subscriber_id", ForeignKey("subscribers.id"), nullable=False),
    Column("turn", String(10), nullable=False),
    # frozen when composed
    Column("edition_id", ForeignKey("editions.id")),
    Column("picks", LargeBinary, nullable=False),
    Column("template", ForeignKey("stationery.hash")),
    Column("message_id", String(200)),
    Column("date", Instant, nullable=False),
    Column("deadline", Instant, nullable=False),
    Column("since", Date),
    # the ledger
    Column("state", String(10), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("not_before", Instant),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("worker", String(64)),
    Column("sha256", String(64)),
    Column("resent", Boolean, nullable=False, server_default=text("false")),
    Column("ended", Instant),
    Column("provider_id", String(200)),  # what a provider calls the message
    UniqueConstraint("subscriber_id", "turn"),
    # by a provider's name, when something is reported of a message; our own says which subscriber's it is
    Index("ix_digests_provider_id", "provider_id", **_where("provider_id IS NOT NULL")),
    # in the order of claims, so that one reads no more than it takes
    Index("ix_digests_open", "state", "not_before", "id", **_where(OPEN.text)),
    Index("ix_digests_edition_id", "edition_id"),
)

# who delivers: a row's id is the fencing number in `digests.worker`, never used twice
deliverers = Table(
    "deliverers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("until", Instant, nullable=False),  # by the database's clock; moved on by the heartbeat
    sqlite_autoincrement=True,
)

# what `delivery.journal` writes where deliverers are on several machines; no record without its living deliverer
records = Table(
    "records",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("deliverer_id", ForeignKey("deliverers.id"), nullable=False, index=True),
    Column("digest_id", Integer, nullable=False),
    Column("record", Text, nullable=False),
)

# one row for each thing that was reported of a delivery, so that it counts once
feedback = Table(
    "feedback",
    metadata,
    Column("key", String(40), primary_key=True),  # what and the digest's number
    Column("what", String(12), nullable=False),
    Column("domain", String(255), nullable=False),
    Column("at", Instant, nullable=False),
)

# of addresses, by the same hash as their suppression
bounce_scores = Table(
    "bounce_scores",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("points", Integer, nullable=False),
    Column("last", Instant, nullable=False),
)

switches = Table(
    "switches",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("why", Text, nullable=False),
    Column("at", Instant, nullable=False),
)
