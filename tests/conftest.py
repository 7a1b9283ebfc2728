
import pytest



@pytest.fixture
def catalog(tmp_path):
    from digest.catalog import Catalog

    catalog = Catalog(f"sqlite:///{tmp_path / 'catalog.db'}")
    catalog.store.create()
    yield catalog
    catalog.store.engine.dispose()
