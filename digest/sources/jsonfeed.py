"""Feeds in JSON, https://www.jsonfeed.org/version/1.1/; the first version's single `author` is read too."""

from dataclasses import dataclass
from typing import Any

from digest.errors import SourceError
from digest.model import Batch, Listing, Memory
from digest.sources import batch, feed, text
from digest.sources.http import Answer, Http
from digest.sources.parts import loaded, looked_at, part

ACCEPT = "application/feed+json, application/json"


@dataclass(frozen=True)
class JsonFeedSource:
    """Any JSON Feed."""

    name: str
    url: str
    internal: bool = False

    def fetch(self, http: Http, memory: Memory) -> Batch:
        return batch.fetched(self.name, self.url, http, memory, read, listing, ACCEPT, internal=self.internal)


SOURCE = JsonFeedSource


def owns(answer: Answer) -> bool:
    document = looked_at(answer)
    return isinstance(document, dict) and "jsonfeed.org/version/" in str(document.get("version"))


def title(answer: Answer) -> str:
    return text.clean(str(loaded(answer, dict, "JSON feed").get("title", "")), text.TITLE)


def read(answer: Answer) -> tuple[list[Any], list[str]]:
    """The items, and what is wrong with the document. Raises SourceError when it is no JSON Feed."""
    items = loaded(answer, dict, "JSON feed").get("items") if owns(answer) else None
    if not isinstance(items, list):
        raise SourceError(f"{answer.url} is no JSON feed: {batch.what_came(answer)} came instead; check the address")
    return items, []


def listing(item: Any, source: str, base: str) -> Listing:
    """An item, read as an entry of any other feed would be. Raises Unusable."""
    people = [*part(item, "authors", list, []), *filter(None, [part(item, "author", dict, {})])]
    stated = item.get("id")  # a number in some feeds, although it must be a string
    entry = {
        "id": str(stated) if isinstance(stated, str | int) else "",
        "title": part(item, "title", str, ""),
        "link": part(item, "url", str, "") or part(item, "external_url", str, ""),
        "links": [_enclosed(attachment) for attachment in part(item, "attachments", list, [])],
        "summary": part(item, "summary", str, ""),
        "content": [{"value": part(item, field, str, "")} for field in ("content_html", "content_text")],
        "authors": [{"name": part(person, "name", str, "")} for person in people],
        "tags": [{"term": tag} for tag in part(item, "tags", list, [])],
        "published": part(item, "date_published", str, ""),
        "updated": part(item, "date_modified", str, ""),
    }
    return feed.listing(entry, source, base)


def _enclosed(attachment: Any) -> dict[str, str]:
    mime = part(attachment, "mime_type", str, "")
    return {"href": part(attachment, "url", str, ""), "type": mime, "rel": "enclosure"}
