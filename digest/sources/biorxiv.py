"""bioRxiv and medRxiv: the RSS of their subjects, or an answer of https://api.biorxiv.org/details/.

A paper's name is its DOI, which all its versions share; a later version says that it is a replacement.
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from digest.errors import SourceError
from digest.model import Batch, Listing, Memory
from digest.sources import batch, feed, text
from digest.sources.http import FEEDS, Answer, Http
from digest.sources.parts import loaded, looked_at, part


@dataclass(frozen=True)
class BiorxivSource:
    """The newest preprints of a server's *subjects*, all of its last *days*, or the document at *url*."""

    name: str
    server: Literal["biorxiv", "medrxiv"] = "biorxiv"
    subjects: tuple[str, ...] = ("all",)
    days: int = 0
    url: str = ""
    internal: bool = False

    def __post_init__(self) -> None:
        for subject in self.subjects:
            if not re.fullmatch(r"[a-z]+(_[a-z]+)*", subject):
                raise ValueError(f"{subject!r} is no subject; they look like genomics or cell_biology")

    def fetch(self, http: Http, memory: Memory) -> Batch:
        feed_url = f"https://connect.{self.server}.org/{self.server}_xml.php?subject={'+'.join(self.subjects)}"
        url = self.url or (f"https://api.biorxiv.org/details/{self.server}/{self.days}d" if self.days else feed_url)
        return batch.fetched(self.name, url, _Paged(http), memory, read, listing, internal=self.internal)


SOURCE = BiorxivSource


def owns(answer: Answer) -> bool:
    document = looked_at(answer)
    if isinstance(document, dict):
        return "collection" in document and "messages" in document
    return bool(re.search(rb"<prism:publicationName>\s*(bio|med)Rxiv", answer.body[:20_000]))


def title(answer: Answer) -> str:
    return "bioRxiv and medRxiv" if isinstance(looked_at(answer), dict) else feed.title(answer)


def read(answer: Answer) -> tuple[list[Any], list[str]]:
    """The entries of a feed or an answer. Raises SourceError for anything else."""
    if looked_at(answer) is None:
        return feed.read(answer)
    document = loaded(answer, dict, "answer of the bioRxiv API")
    found, said = document.get("collection"), document.get("messages")
    if not isinstance(found, list) or not isinstance(said, list):
        raise SourceError(f"{answer.url} is no answer of the bioRxiv API; check the address")
    message = said[0] if said and isinstance(said[0], dict) else {}
    if message.get("status", "ok") != "ok" and not found:
        why = text.clean(str(message["status"]), 200)
        return [], [] if why.startswith("no posts found") else [f"the server says: {why}"]
    total, before = _total(document), message.get("cursor")
    more = total > len(found) + (before if isinstance(before, int) else 0)
    return found, [f"the answer holds {len(found)} of {total} papers; ask for fewer days"] if more else []


_INTERVAL = re.compile(r"(?P<address>.*/details/\w+/(?:\d+d|[\d-]{10}/[\d-]{10}))(?:/(?P<cursor>\d{1,9}))?(?:/json)?")


class _Paged(Http):
    """Answers of the API with the pages that follow, as one."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, url: str, memory: Memory | None = None, accept: str = FEEDS, *, internal: bool = False) -> Answer:
        answer = self._http.get(url, memory, accept, internal=internal)
        document, interval = looked_at(answer), _INTERVAL.fullmatch(url)
        found = document.get("collection") if isinstance(document, dict) else None
        if not interval or not isinstance(found, list):
            return answer
        start, total = int(interval["cursor"] or 0), _total(document)
        while found and start + len(found) < total and len(found) < batch.ENTRIES:
            address = f"{interval['address']}/{start + len(found)}"
            page = looked_at(self._http.get(address, accept=accept, internal=internal))
            more = page.get("collection") if isinstance(page, dict) else None
            if not more or not isinstance(more, list):
                break
            found += more
        return replace(answer, body=json.dumps(document).encode())


def _total(document: dict[str, Any]) -> int:
    said = document.get("messages")
    stated = str(said[0].get("total", "")) if isinstance(said, list) and said and isinstance(said[0], dict) else ""
    return int(stated) if stated.isdecimal() and len(stated) < 10 else 0


def listing(entry: Any, source: str, base: str) -> Listing:
    """A preprint in either shape. Raises Unusable."""
    if not isinstance(entry, dict) or "doi" in entry:
        return _detailed(entry, source)
    paper = feed.listing(entry, source, base)
    version = re.search(r"v(\d+)\b", paper.links.get("abstract", ""))
    return _versioned(paper, version[1] if version else "1")


def _detailed(item: Any, source: str) -> Listing:
    doi, headline = text.doi(part(item, "doi", str)), text.clean(part(item, "title", str), text.TITLE)
    if not doi or not headline:
        raise batch.Unusable(f"it has no {'DOI' if headline else 'title'} ({text.clean(str(item['doi']), 100)})")
    version, server = part(item, "version", str, "1"), part(item, "server", str, "biorxiv").lower()
    page = text.web_address(f"https://www.{server}.org/content/{doi}v{version}")
    journal = text.doi(part(item, "published", str, ""))
    links = {"abstract": page, "pdf": page and f"{page}.full.pdf", "journal": journal and f"https://doi.org/{journal}"}
    paper = Listing(
        source=source,
        key=doi,
        title=text.readable(headline),
        abstract=text.readable(text.clean(part(item, "abstract", str, ""))),
        authors=text.names([part(item, "authors", str, "")]),
        ids={"doi": doi} | ({"published": journal} if journal else {}),
        categories=text.words([part(item, "category", str, "")]),
        links={what: address for what, address in links.items() if address},
        announced=text.moment(part(item, "date", str, "")),
    )
    return _versioned(paper, version)


def _versioned(paper: Listing, version: str) -> Listing:
    number = int(version) if re.fullmatch(r"[1-9]\d{0,2}", version) else 1
    kind = "new" if number == 1 else "replace"
    return replace(paper, key=paper.ids.get("doi", paper.key), announce_type=kind, version=number)
