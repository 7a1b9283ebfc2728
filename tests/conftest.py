from datetime import timedelta

import pytest
from factories import NOW


@pytest.fixture
def catalog(tmp_path):
    from digest.catalog import Catalog

    catalog = Catalog(f"sqlite:///{tmp_path / 'catalog.db'}")
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
def make_app(tmp_path, clock, monkeypatch):
    """Apps on one folder; each call is as a new process."""
    from digest import config
    from digest.app import App

    made = []

    def make(extra=""):
        path = tmp_path / "config.yaml"
        path.write_text(CONFIG + extra)
        made.append(App(config.load(path), clock))
        return made[-1]

    yield make
    for app in made:
        if "catalog" in vars(app):
            app.catalog.store.engine.dispose()


@pytest.fixture
def app(make_app):
    return make_app()
