"""What is remembered: papers and signals, subscribers and their consent, editions, the ledger. SQL stays in here.

One module per noun; each method is one transaction, takes and returns values of `digest.model`.
"""

from digest.catalog.consents import Consents
from digest.catalog.deliveries import Deliveries
from digest.catalog.editions import Editions
from digest.catalog.feedback import Feedback
from digest.catalog.papers import Papers
from digest.catalog.sources import Sources
from digest.catalog.store import Store
from digest.catalog.subscribers import Subscribers
from digest.catalog.topics import Topics
from digest.catalog.votes import Votes


class Catalog:
    """One database. Raises ConfigError for a URL that is none; its methods raise CatalogError."""

    def __init__(self, url: str) -> None:
        self.store = Store(url)
        self.sources = Sources(self.store)
        self.papers = Papers(self.store)
        self.topics = Topics(self.store)
        self.subscribers = Subscribers(self.store)
        self.consents = Consents(self.store)
        self.editions = Editions(self.store)
        self.deliveries = Deliveries(self.store)
        self.feedback = Feedback(self.store)
        self.votes = Votes(self.store)
