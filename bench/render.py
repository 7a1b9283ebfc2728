"""How much cheaper is a digest when cards are printed once? Ratios of CPU time, all ways interleaved in one run.

    python bench/render.py [rounds]

naive: for each message Jinja over MJML, mjml2html, premailer, EmailMessage. jinja: the compiled template and
EmailMessage. press: what the product does. Ten cards each, in an order of the subscriber's own.
"""

import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from statistics import median

from digest.model import Candidate, Card, Digest, Edition, Pick, Publication, Reason, ReasonCode
from digest.rendering import page, template
from digest.rendering.press import Press, Urls, items
from digest.rendering.reasons import because
from digest.rendering.sheet import Sheet
from digest.rendering.stationery import compiled

TEMPLATES = Path(__file__).parent.parent / "templates"
PUBLICATION = Publication(
    "Trending Papers",
    "digest@news.example.org",
    "https://news.example.org",
    "papers.news.example.org",
    "1 Library Street",
)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SENTENCE = (
    "We study how readers of new research find what matters to them, and show that a reason beside each paper helps."
)
LEAST = 6
"""the naive chain must cost at least this many times as much"""


def edition(size: int = 300) -> Edition:
    topics = {n: f"Topic number {n}" for n in range(20)}
    cards = (
        Card(
            paper=n,
            title=f"A study of reading habits, part {n}: what the inbox knows",
            abstract=" ".join([SENTENCE] * 12),
            authors=tuple(f"Author Number {i}" for i in range(6)),
            categories=("cs.IR", "cs.CL"),
            links=tuple((what, f"https://papers.example.org/{what}/{n}") for what in ("abstract", "pdf", "code")),
            announced=NOON.date(),
        )
        for n in range(size)
    )
    candidates = (
        Candidate(n, card, NOON, n % 7, f"{n} upvotes in 6 h" if n % 3 else "") for n, card in enumerate(cards)
    )
    return Edition(1, NOON.date(), NOON, tuple(candidates), topics)


def digests(count: int, size: int = 300) -> list[Digest]:
    chance = random.Random(7)
    blank = Digest(0, 0, "2026-11-22", 1, (), "", "", NOON, NOON + timedelta(days=1))

    def picks() -> tuple[Pick, ...]:
        return tuple(Pick(n, 1.0, (Reason(ReasonCode.TOPIC, n % 20),)) for n in chance.sample(range(size), 10))

    return [replace(blank, id=n, picks=picks(), message_id=f"{n:032x}@news.example.org") for n in range(count)]


def urls(digest: Digest) -> Urls:
    token = f"1.k.{digest.id:028}"
    return Urls(*(f"https://news.example.org/{purpose}/{token}" for purpose in ("u", "preferences", "editions")))


class Chains:
    """Three ways to make the same message."""

    def __init__(self) -> None:
        self.edition = edition()
        stationery = compiled("digest", [TEMPLATES], PUBLICATION)
        source = template.Source("digest", [TEMPLATES], PUBLICATION.accent)
        self.press_ = Press(stationery, self.edition)
        self._mjml = Sheet(source.composed("body.mjml"), PUBLICATION, markup=True)
        self._html = Sheet(stationery.html, PUBLICATION, markup=True)
        self._text = Sheet(stationery.text, PUBLICATION, markup=False)

    def press(self, digest: Digest) -> bytes:
        return self.press_.message(digest, "reader@example.net", date(2026, 1, 1), urls(digest))

    def jinja(self, digest: Digest) -> bytes:
        return self._letter(digest, self._html.whole(*self._page(digest)))

    def naive(self, digest: Digest) -> bytes:
        return self._letter(digest, template.converted(self._mjml.whole(*self._page(digest)), "bench"))

    def _page(self, digest: Digest) -> tuple[dict[str, str], list[page.Section]]:
        links = {f"{name}_url": "https://news.example.org/x" for name in ("unsubscribe", "preferences", "online")}
        values = dict.fromkeys(page.VALUES, "some words") | links
        picked = items(self.edition, digest.picks)
        cards = tuple(page.card(item.candidate, reason=because(item.reasons)) for item in picked)
        return values, [page.Section("For you", "by what you follow", cards)]

    def _letter(self, digest: Digest, html: str) -> bytes:
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"], message["Subject"] = "digest@news.example.org", "reader@example.net", "Papers"
        message["List-Unsubscribe"] = f"<{urls(digest).unsubscribe}>"
        message.set_content(self._text.whole(*self._page(digest)))
        message.add_alternative(html, subtype="html")
        return message.as_bytes()


def cost(make: Callable[[Digest], bytes], some: list[Digest]) -> float:
    """Milliseconds of CPU for one message."""
    start = time.process_time()
    for digest in some:
        make(digest)
    return (time.process_time() - start) * 1000 / len(some)


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    chains = Chains()
    some = digests(600)
    message = chains.press(some[0])
    chains.naive(some[0]), chains.jinja(some[0])
    costs = {"naive": [0.0] * 0, "jinja": [0.0] * 0, "press": [0.0] * 0}
    for _ in range(rounds):
        costs["naive"].append(cost(chains.naive, some[:15]))
        costs["jinja"].append(cost(chains.jinja, some[:60]))
        costs["press"].append(cost(chains.press, some))
    ours = median(costs["press"])
    for name, milliseconds in costs.items():
        print(f"{name:6} {median(milliseconds):8.3f} ms   {median(milliseconds) / ours:6.1f} x press")
    ratio = median(costs["naive"]) / ours
    print(f"message of {len(message):,} bytes; naive over press: {ratio:.0f}x, at least {LEAST}x is asked for")
    return 0 if ratio >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
