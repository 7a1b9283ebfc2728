"""Curators: people whose picks count as a signal, one for each person and paper."""

import hmac
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from digest.catalog import Catalog
from digest.clock import Clock
from digest.delivery.address import network
from digest.errors import Busy, NotFound
from digest.model import Card
from digest.services.library import Library
from digest.sources.arxiv_api import named
from digest.sources.cited import cited
from digest.sources.http import Http

SOURCE = "curators"

TRIES, LATELY = 10, timedelta(minutes=10)


@dataclass
class Curation:
    catalog: Catalog
    library: Library
    http: Http
    clock: Clock
    secrets: Mapping[str, str]
    """of the curators who may use the page, by name"""
    _wrong: deque[tuple[str, datetime]] = field(default_factory=lambda: deque(maxlen=10_000), repr=False)

    def pick(self, paper: str, by: str, note: str = "") -> Card:
        """Count *by*'s pick of the paper with this number, arXiv id, DOI or address, once for each person.

        arXiv is asked for what is unknown here. Raises NotFound and SourceError.
        """
        try:
            card = self.library.find(paper)
        except NotFound:
            card = self._fetched(paper)
        self.catalog.papers.pick(card.paper, SOURCE, by, note, self.clock())
        return card

    def _fetched(self, paper: str) -> Card:
        arxiv = next((listing.ids["arxiv"] for listing in cited(paper)[:1] if "arxiv" in listing.ids), None)
        if arxiv is None:
            raise NotFound(f"{paper:.100} is unknown here, and only arXiv can be asked; collect a source that has it")
        found = named(SOURCE, [arxiv], self.http)
        if not found.listings:
            raise NotFound(f"arXiv has no paper {arxiv}")
        self.catalog.papers.take(SOURCE, found, self.clock())
        return self.library.find(arxiv)

    def proven(self, name: str, secret: str, ip: str) -> bool:
        """Whether *secret* is that of the curator called so; it takes as long for a name that nobody has.

        Raises Busy after TRIES wrong ones from one network, until LATELY is over.
        """
        whose, now, known = network(ip), self.clock(), self.secrets.get(name, "")
        if sum(theirs == whose and now - at < LATELY for theirs, at in tuple(self._wrong)) >= TRIES:
            raise Busy("too many wrong secrets came from your network")
        if hmac.compare_digest(known.encode(), secret.encode()) and known:
            return True
        self._wrong.append((whose, now))
        return False
