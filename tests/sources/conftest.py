import os
from collections.abc import Callable
from pathlib import Path

import pytest
from served import DOCUMENTS, Served


@pytest.fixture
def document() -> Callable[[str], Served]:
    """A document of tests/data/sources, served."""
    return lambda name: Served((DOCUMENTS / name).read_bytes())


@pytest.fixture(scope="session")
def given() -> Path:
    """The folder with real documents that are not ours to redistribute."""
    if folder := os.environ.get("DIGEST_TEST_DATA"):
        return Path(folder)
    pytest.skip("DIGEST_TEST_DATA does not say where the real documents are")
