"""Topics that subscribers can tick; `config.yaml` says which are offered."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import func, select, update

from digest.catalog import tables as t
from digest.catalog.store import Store
from digest.model import Topic


class Topics:
    def __init__(self, store: Store) -> None:
        self._store = store

    def offer(self, topics: Sequence[Topic]) -> None:
        """Make these the offered topics, in this order, by slug; those gone stay for whoever ticked them."""
        if [replace(topic, id=0) for topic in self.offered()] == [replace(topic, id=0) for topic in topics]:
            return
        with self._store.write() as db:
            db.execute(update(t.topics).values(position=None))
            top = db.scalar(select(func.max(t.topics.c.id))) or 0
            ids = {r.slug: r.id for r in db.execute(select(t.topics.c.slug, t.topics.c.id))}
            for position, topic in enumerate(topics):
                top += topic.slug not in ids
                row = asdict(topic) | {"id": ids.get(topic.slug, top), "position": position}
                statement = self._store.insert(t.topics).values(row)
                db.execute(statement.on_conflict_do_update(index_elements=["slug"], set_=row))

    def offered(self) -> list[Topic]:
        with self._store.read() as db:
            rows = db.execute(select(t.topics).where(t.topics.c.position.is_not(None)).order_by(t.topics.c.position))
            return [_topic(r) for r in rows]

    def all(self) -> list[Topic]:
        """With those that are no longer offered."""
        with self._store.read() as db:
            return [_topic(r) for r in db.execute(select(t.topics).order_by(t.topics.c.id))]


def _topic(r: Any) -> Topic:
    return Topic(r.id, r.slug, r.name, r.description, tuple(r.keywords), tuple(r.categories), tuple(r.exclusions))
