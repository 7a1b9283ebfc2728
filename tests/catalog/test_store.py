import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from time import sleep

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from factories import NOW, as_before, subscriber
from sqlalchemy import text

from digest.catalog import Catalog
from digest.catalog.store import HEAD, MIGRATIONS, Store
from digest.catalog.tables import metadata
from digest.errors import CatalogError, ConfigError
from digest.model import Interest, Steering

no_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_the_migrations_make_exactly_the_tables_that_the_program_uses(tmp_path):
    as_before(tmp_path / "old.db")
    store = Store(f"sqlite:///{tmp_path / 'old.db'}")
    store.create()
    with store.engine.connect() as db:
        assert compare_metadata(MigrationContext.configure(db), metadata) == []
    store.engine.dispose()


def test_the_newest_migration_is_the_one_that_opening_checks_for():
    assert max(path.stem for path in (MIGRATIONS / "versions").glob("0*.py")) == HEAD


@pytest.mark.sqlite
def test_the_database_is_its_owners_alone(catalog):
    for file in catalog.store.path.parent.glob("catalog.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_creating_twice_changes_nothing(catalog):
    catalog.sources.failed("a", "error", NOW)
    catalog.store.create()
    assert len(catalog.sources.all(NOW)) == 1


def test_an_empty_database_is_not_taken_for_a_current_one(tmp_path):
    store = Catalog(f"sqlite:///{tmp_path / 'none.db'}").store
    assert store.version() is None
    with pytest.raises(CatalogError, match="digest db upgrade"):
        store.require_current()


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("shopping list\n" * 100)
    with pytest.raises(CatalogError, match=r"notes\.txt.*move it away"):
        Catalog(f"sqlite:///{path}").store.create()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CatalogError, match="nowhere"):
        Catalog(f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}").store.create()


def test_a_url_that_is_none_is_a_configuration_error():
    with pytest.raises(ConfigError, match="sqlite:///"):
        Catalog("subscribers.db")


@pytest.mark.sqlite
def test_a_backup_is_whole_and_never_overwrites(catalog, tmp_path):
    catalog.sources.failed("a", "error", NOW)
    copy = tmp_path / "copy.db"
    catalog.store.backup(copy)
    other = Catalog(f"sqlite:///{copy}")
    assert len(other.sources.all(NOW)) == 1
    assert other.store.problems() == []
    other.store.engine.dispose()
    with pytest.raises(CatalogError, match="exists already"):
        catalog.store.backup(copy)


@pytest.mark.sqlite
def test_a_backup_can_be_put_back_where_nothing_stands(catalog, tmp_path):
    catalog.sources.failed("a", "error", NOW)
    copy, there = tmp_path / "copy.db", Catalog(f"sqlite:///{tmp_path / 'there.db'}")
    catalog.store.backup(copy)
    there.store.restore(copy)
    assert len(there.sources.all(NOW)) == 1
    with pytest.raises(CatalogError, match="move it away"):
        there.store.restore(copy)
    with pytest.raises(CatalogError, match="no such file"):
        there.store.restore(tmp_path / "nothing.db")
    elsewhere = Store(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    (tmp_path / "words").write_text("no database")
    with pytest.raises(CatalogError, match="words: file is not a database"):
        elsewhere.restore(tmp_path / "words")
    elsewhere.restore(copy)
    there.store.engine.dispose()


def test_what_goes_wrong_under_a_lock_is_not_blamed_on_the_database(catalog):
    with pytest.raises(BrokenPipeError), catalog.store.lock("deliver"):
        raise BrokenPipeError


def test_a_database_that_is_asked_by_too_many_at_once_says_so(catalog, monkeypatch):
    pool = catalog.store.engine.pool
    monkeypatch.setattr(pool, "_timeout", 0.01)
    with ExitStack() as others:
        for _ in range(pool.size() + pool._max_overflow):
            others.enter_context(catalog.store.read())
        with pytest.raises(CatalogError, match="all connections are busy"):
            catalog.store.version()


def test_how_a_subscriber_steers_is_kept_and_forgotten_with_the_person(catalog):
    steered = subscriber(steering=Steering(trending=0.5, explore=0, quota=3, languages=("de", "en")))
    kept = catalog.subscribers.put(steered, None)
    assert kept.steering == steered.steering
    assert catalog.subscribers.put(subscriber(), None).steering == Steering()
    catalog.subscribers.erase(kept.id)
    assert catalog.subscribers.get(kept.id).steering == Steering()


def test_an_interest_is_kept_as_it_is_whatever_its_topics_and_forgotten_with_the_person(catalog):
    said = {"texts": ("caches, “quoted”",), "keywords": ("kv",), "categories": ("cs.CL",), "authors": ("Ada",)}
    for topics in ({}, {4: 1.0, 9999: 1.0}, {4: 0.5, 7: 2.0}):
        interest = Interest(topics, **said, exclusions=("cs.CR",))
        kept = catalog.subscribers.put(subscriber(interest=interest), None)
        assert kept.interest == interest
    catalog.subscribers.erase(kept.id)
    assert catalog.subscribers.get(kept.id).interest == Interest()


@pytest.mark.parametrize("broken", ['{"topics": [1', '{"moods": ["good"]}', '{"topics": [1], "weights": [1, 2]}', "[]"])
def test_an_interest_that_nobody_can_read_is_named_with_what_to_do(catalog, broken):
    if not catalog.store.sqlite and broken.endswith("[1"):
        pytest.skip("PostgreSQL keeps no half document")
    for address in ("ada@example.org", "bob@example.org"):
        catalog.subscribers.put(subscriber(address=address, interest=Interest(keywords=("kv",))), None)
    with catalog.store.write() as db:
        db.execute(text("UPDATE subscribers SET interest = :broken WHERE id = 2"), {"broken": broken})
    with pytest.raises(CatalogError, match=r"subscriber 2: .*digest db restore"):
        catalog.subscribers.all()


def test_threads_take_turns_in_a_database_in_memory():
    store = Store("sqlite://")

    def look(seconds):
        with store.read() as db:
            found = db.scalar(text("SELECT 1"))
            sleep(seconds)
            return found

    with ThreadPoolExecutor(2) as both:
        assert [*both.map(look, (0.1, 0))] == [1, 1]
    store.engine.dispose()


def test_one_address_is_one_subscriber_however_it_is_written(catalog):
    first = catalog.subscribers.put(subscriber(address="Ada@example.org"), None)
    assert catalog.subscribers.put(subscriber(address="ada@example.org"), None).id == first.id
    assert len(catalog.subscribers.all()) == 1


def test_interests_that_stood_in_a_table_of_their_own_are_kept(tmp_path):
    as_before(tmp_path / "old.db")
    catalog = Catalog(f"sqlite:///{tmp_path / 'old.db'}")
    with catalog.store.write() as db:
        db.exec_driver_sql(
            "INSERT INTO subscribers (id, public_id, address, standing, cadence, days, hour, zone, count, minimum)"
            " VALUES (1, 'ada', 'ada@example.org', 'active', 'daily', '[1]', 7, 'UTC', 10, 1)"
        )
        db.exec_driver_sql("INSERT INTO topics VALUES (4, 't', 'T', '', '[]', '[]', '[]', 0)")
        db.exec_driver_sql(
            "INSERT INTO interests (subscriber_id, position, kind, topic_id, text, weight) VALUES"
            " (1, 0, 'topic', 4, NULL, 2), (1, 1, 'text', NULL, 'caches', 1), (1, 2, 'exclusion', NULL, 'cs.CR', 1)"
        )
    catalog.store.create()
    (ada,) = catalog.subscribers.all()
    assert ada.interest == Interest({4: 2.0}, texts=("caches",), exclusions=("cs.CR",))
    assert catalog.store.problems() == []
    catalog.store.engine.dispose()
