"""What every kind of source promises, whatever it reads."""

import dataclasses
import importlib
import pkgutil

import pytest
from pydantic import TypeAdapter
from served import Served

import digest.sources
from digest.errors import SourceError
from digest.model import Memory

modules = [
    importlib.import_module(f"digest.sources.{found.name}") for found in pkgutil.iter_modules(digest.sources.__path__)
]
ALL = {module.__name__.rpartition(".")[2]: module.SOURCE for module in modules if hasattr(module, "SOURCE")}
KINDS = {kind: made for kind, made in ALL.items() if not hasattr(made, "watches")}  # who watch have no document
EXAMPLES = {
    "arxiv": "arxiv_rss.xml",
    "arxiv_api": "arxiv_api.xml",
    "biorxiv": "biorxiv_rss.xml",
    "feed": "journal_rss2.xml",
    "hf_daily": "hf_daily.json",
    "hn": "hn_search.json",
    "jsonfeed": "jsonfeed.json",
}
each_kind = pytest.mark.parametrize("kind", sorted(KINDS))


def source(kind):
    return TypeAdapter(KINDS[kind]).validate_python({"name": "mine", "url": "https://example.org/document"})


def test_every_kind_has_an_example():
    assert KINDS.keys() == EXAMPLES.keys()


@each_kind
def test_settings_are_a_frozen_dataclass_that_begins_with_the_name(kind):
    assert dataclasses.fields(KINDS[kind])[0].name == "name"
    with pytest.raises(dataclasses.FrozenInstanceError):
        source(kind).name = "other"


@each_kind
def test_a_batch_holds_listings_of_this_source_with_keys_of_their_own(kind, document):
    http = document(EXAMPLES[kind])
    http.more = {"etag": "e", "modified": "m"}
    found = source(kind).fetch(http, Memory())
    assert found.listings
    assert {listing.source for listing in found.listings} == {"mine"}
    assert len({listing.key for listing in found.listings}) == len(found.listings)
    assert (found.memory.etag, found.memory.modified) == ("e", "m")
    assert found.memory.newest in {listing.key for listing in found.listings}
    assert found.complete
    assert http.asked == ["https://example.org/document"]
    assert source(kind).fetch(http, found.memory) == found


@each_kind
def test_a_kind_whose_document_may_lie_at_home_hands_that_on(kind, document):
    http = document(EXAMPLES[kind])
    source(kind).fetch(http, Memory())
    dataclasses.replace(source(kind), internal=True).fetch(http, Memory())
    assert http.internal == [False, True]


@each_kind
def test_an_unchanged_document_is_an_empty_batch_with_the_same_memory(kind):
    memory = Memory("e", "m", "f", "n")
    found = source(kind).fetch(Served(b"", unchanged=True), memory)
    assert (found.listings, found.memory, found.complete) == ((), memory, True)


@each_kind
@pytest.mark.parametrize(
    "body", [b"", b"\x00", b"{}", b"<html><title>Gone</title></html>", b"\xff" * 99, b"<rss", b"[["]
)
def test_a_document_that_is_none_is_an_error_with_the_name_of_the_source(kind, body):
    with pytest.raises(SourceError, match=r"^mine: https://example\.org/document ") as error:
        source(kind).fetch(Served(body, "text/plain"), Memory())
    assert error.value.name == "mine"
