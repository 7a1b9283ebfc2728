import os
from datetime import timedelta
from pathlib import Path

import pytest
from factories import NOW

BOTH = ("catalog", "services", "test_whole_way.py")
"""rooms of the tests whose promises hold on SQLite and on PostgreSQL"""


def pytest_generate_tests(metafunc):
    chosen = [
        mark for mark in metafunc.definition.iter_markers() if mark.name == "sqlite" or "database" in mark.args[:1]
    ]
    if "database" in metafunc.fixturenames and not chosen:
        room = metafunc.definition.path.relative_to(Path(__file__).parent).parts[0]
        server = pytest.param("postgresql", marks=pytest.mark.service)
        metafunc.parametrize("database", ["sqlite", server] if room in BOTH else ["sqlite"], indirect=True)


@pytest.fixture(scope="session")
def server():
    """A database of our own on the server that DIGEST_TEST_POSTGRES names, with the newest schema."""
    given = os.environ.get("DIGEST_TEST_POSTGRES")
    if not given:
        assert not os.environ.get("CI"), "DIGEST_TEST_POSTGRES names no server, and in CI it must"
        pytest.skip("DIGEST_TEST_POSTGRES names no PostgreSQL server")
    import psycopg

    from digest.catalog import Catalog

    head, name = given.rpartition("/")[0], f"digest_test_{os.getpid()}"
    with psycopg.connect(given.replace("+psycopg", ""), autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}")
        made = Catalog(f"{head}/{name}")
        made.store.create()
        yield made.store
        made.store.engine.dispose()
        db.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty(server):
    """The URL of the server's database, with nothing in it and all numbers starting anew."""
    from digest.catalog.tables import metadata

    tables = list(reversed(metadata.sorted_tables))
    with server.engine.begin() as db:
        db.exec_driver_sql(";".join(f"DELETE FROM {table.name}" for table in tables))
        for table in (table for table in tables if table.autoincrement_column is not None):
            db.exec_driver_sql(f"ALTER SEQUENCE {table.name}_id_seq RESTART")
    return server.url.render_as_string(hide_password=False)


@pytest.fixture
def database(request, tmp_path):
    """What `database:` says, and its kind; other rooms have SQLite."""
    kind = getattr(request, "param", "sqlite")
    return request.getfixturevalue("empty") if kind == "postgresql" else "sqlite:///subscribers.db"


@pytest.fixture
def catalog(database, tmp_path):
    from digest.catalog import Catalog

    catalog = Catalog(database.replace("sqlite:///subscribers.db", f"sqlite:///{tmp_path / 'catalog.db'}"))
    if catalog.store.sqlite:
        catalog.store.create()
    yield catalog
    catalog.store.engine.dispose()


CONFIG = """\
publication:
  name: Example Digest
  sender: digest@news.example.org
  base_url: http://127.0.0.1:8000
  postal_address: 1 Example Street, 12345 Example
topics:
  - {slug: retrieval, name: Retrieval, description: "Finding passages: dense retrieval, ranking, RAG."}
  - {slug: robots, name: Robots, description: "Robot manipulation, grasping and locomotion."}
"""


class Clock:
    """Shows what the test says."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now

    def forward(self, **span):
        self.now += timedelta(**span)


@pytest.fixture
def clock():
    return Clock(NOW)


@pytest.fixture
def make_app(tmp_path, clock, monkeypatch, database):
    """Apps on one folder; each call is as a new process."""
    from digest import config, links
    from digest.app import App

    made = []
    if "sqlite" not in database:  # a new file would bring its own
        links.create(tmp_path / "digest.keys")

    def make(extra=""):
        path = tmp_path / "config.yaml"
        path.write_text(f"{CONFIG}database: {database}\n{extra}")
        made.append(App(config.load(path), clock))
        return made[-1]

    yield make
    for app in made:
        if "catalog" in vars(app):
            app.catalog.store.engine.dispose()


@pytest.fixture
def app(make_app):
    return make_app()


@pytest.fixture
def digest(tmp_path, monkeypatch, capsys):
    """Runs the command in an empty folder; returns exit code, output and errors."""
    from digest import __main__

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words, now="2026-01-16T07:30:00Z"):
        monkeypatch.setattr("sys.argv", ["digest", "--now", now, *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            __main__.main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return run
