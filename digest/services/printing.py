"""From a digest row to its message: stationery, press and links, the same for sending, previews and rebuilding."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path

from digest.catalog import Catalog
from digest.catalog.deliveries import Delivery
from digest.delivery.dkim import Signer, hash_of
from digest.errors import NotFound
from digest.links import Links, Purpose
from digest.model import WELCOME, Digest, Edition, Outgoing, Pick, Publication, Subscriber
from digest.rendering.press import Press, Urls
from digest.rendering.stationery import Stationery, compiled, fingerprint

PRESSES = 4
"""kept ready: an edition's cards are encoded once per layout, and a run rarely needs more than today's"""


def layout(turn: str, picks: Sequence[Pick]) -> str:
    """The folder of `templates/email` that a digest is printed with."""
    return "quiet" if not picks else WELCOME if turn == WELCOME else "digest"


@dataclass
class Printing:
    catalog: Catalog
    links: Links
    publication: Publication
    templates: Sequence[Path]
    """folders in which files are looked for, the operator's first"""
    signer: Signer | None = None
    _presses: dict[tuple[str, int], Press] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._edition = lru_cache(PRESSES)(self.catalog.editions.get)

    def stationery(self, layout: str) -> Stationery:
        """Compiled from today's files, or as kept when they have not changed. Raises TemplateError."""
        print_ = fingerprint(layout, self.templates, self.publication)
        kept = self.catalog.editions.stationery(fingerprint=print_)
        if kept:
            return Stationery.loads(kept)
        made = compiled(layout, self.templates, self.publication)
        self.catalog.editions.keep_stationery(made.hash, print_, made.dumps())
        return made

    def press(self, template: str, edition: Edition) -> Press:
        """For the stationery with this hash; raises NotFound when the catalog has lost it."""
        if (template, edition.id) not in self._presses:
            content = self.catalog.editions.stationery(hash_=template)
            if content is None:
                raise NotFound(f"the catalog has no stationery {template}; restore it from a backup")
            while len(self._presses) >= PRESSES:
                del self._presses[next(iter(self._presses))]
            self._presses[template, edition.id] = Press(Stationery.loads(content), edition)
        return self._presses[template, edition.id]

    def urls(self, public_id: str, day: date, *, inert: bool = False) -> Urls:
        """The links of one digest; *inert* ones look alike and do nothing (REQ-57)."""

        def token(purpose: Purpose) -> str:
            return self.links.sign(Purpose.PREVIEW if inert else purpose, public_id)

        base = self.publication.base_url
        return Urls(
            unsubscribe=f"{base}/u/{token(Purpose.UNSUBSCRIBE)}",
            preferences=f"{base}/preferences/{token(Purpose.PREFERENCES)}",
            online=f"{base}/editions/{day.isoformat()}",
            vote=f"{base}/vote/{token(Purpose.VOTE)}",
        )

    def message(self, digest: Digest, reader: Subscriber) -> bytes:
        """The bytes of a digest row, the same every time, signed where there is a key."""
        edition = self._edition(digest.edition)
        urls = self.urls(reader.public_id, edition.date)
        last = None if digest.picks else self.catalog.deliveries.last_papers(digest.subscriber, digest.id)
        message = self.press(digest.template, edition).message(digest, reader.address, digest.since, urls, last)
        return self.signed(message, digest.date)

    def signed(self, message: bytes, date: datetime) -> bytes:
        """With a DKIM signature where there is a key; its time is the message's own, so that it can be made again."""
        return self.signer.sign(message, int(date.timestamp())) if self.signer else message

    def again(self, delivery: Delivery) -> tuple[bytes, str]:
        """A row's message as it was, and why it differs from that, or "". Raises NotFound for one that had none."""
        digest = delivery.digest
        if not digest.template:
            raise NotFound(f"delivery {digest.id} has no message: it was skipped ({delivery.reason})")
        reader = self.catalog.subscribers.get(digest.subscriber)
        message = self.message(digest, reader)
        if not reader.address:
            return message, "its subscriber was erased, and so is To"
        if delivery.sha256 not in (None, hash_of(message)):
            return message, "address, links or key of the signature are others by now"
        return message, ""

    def outgoing(self, digest: Digest, reader: Subscriber) -> Outgoing:
        """With the signed return path that says which row a bounce is about."""
        sender = self.return_path(digest.id)
        return Outgoing(digest.id, sender, reader.address, self.message(digest, reader))

    def return_path(self, digest: int) -> str:
        """The envelope sender that tells us which message a bounce is about (REQ-7)."""
        domain = self.publication.return_domain or self.publication.sender.rpartition("@")[2]
        return f"b+{self.links.return_token(digest)}@{domain}"
