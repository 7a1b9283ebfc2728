import os
import threading
from pathlib import Path

import pytest
from served import DOCUMENTS, Served, Server


@pytest.fixture
def document():
    """A document of tests/data/sources, served."""
    return lambda name: Served((DOCUMENTS / name).read_bytes())


@pytest.fixture(scope="session")
def given():
    """The folder with real documents that are not ours to redistribute."""
    if folder := os.environ.get("DIGEST_TEST_DATA"):
        return Path(folder)
    pytest.skip("DIGEST_TEST_DATA does not say where the real documents are")


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()
