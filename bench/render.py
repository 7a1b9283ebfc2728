"""How much cheaper is a digest when cards are printed once? Ratios of CPU time, all ways interleaved in one run.

    python bench/render.py [rounds]

naive: for each message Jinja over MJML, mjml2html, premailer, EmailMessage. jinja: the compiled template and
EmailMessage. press: what the product does. Ten cards each, in an order of the subscriber's own. Then two processes
over one, converting a layout over one call of mjml2html, and the sizes. Exit code 1 when a claim is missed.
"""

import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

from mjml import mjml2html
from promise import Promise, exit_code

from digest.model import Candidate, Card, Digest, Edition, Pick, Publication, Reason, ReasonCode
from digest.rendering import page, specimen, template
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


def digests(count: int, size: int = 300, papers: int = 10) -> list[Digest]:
    chance = random.Random(7)
    blank = Digest(0, 0, "2026-11-22", 1, (), "", "", NOON, NOON + timedelta(days=1))

    def picks() -> tuple[Pick, ...]:
        return tuple(Pick(n, 1.0, (Reason(ReasonCode.TOPIC, n % 20),)) for n in chance.sample(range(size), papers))

    return [blank._replace(id=n, picks=picks(), message_id=f"{n:032x}@news.example.org") for n in range(count)]


def urls(digest: Digest) -> Urls:
    token = f"1.k.{digest.id:028}"
    return Urls(
        *(f"https://news.example.org/{purpose}/{token}" for purpose in ("u", "preferences", "editions", "vote"))
    )


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
        links = {
            f"{name}_url": "https://news.example.org/x" for name in ("unsubscribe", "preferences", "online", "vote")
        }
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


def chains(chains: Chains, rounds: int) -> Iterator[Promise]:
    """The three ways, interleaved; and whether the last stays as cheap when there is ten times as much to do."""
    some, many = digests(600), digests(6_000)
    ways = {"naive": (chains.naive, some[:15]), "jinja": (chains.jinja, some[:60]), "press": (chains.press, some)}
    costs: dict[str, list[float]] = {name: [] for name in (*ways, "many")}
    for make, few in ways.values():
        make(few[0])
    for _ in range(rounds):
        for name, (make, few) in ways.items():
            costs[name].append(cost(make, few))
        costs["many"].append(cost(chains.press, many))
    each = {name: min(found) for name, found in costs.items()}  # other work on the machine only adds
    print("CPU ms a message: " + ", ".join(f"{name} {found:.3f}" for name, found in each.items()))
    yield Promise("naive chain over press", each["naive"] / each["press"], least=80)
    yield Promise("compiled Jinja and EmailMessage over press", each["jinja"] / each["press"], least=30)
    yield Promise("6,000 subscribers over 600, each", each["many"] / each["press"], most=1.25)


def processes(rounds: int) -> Iterator[Promise]:
    """Messages a second of two processes over one, each with an edition of its own: only where two cores are idle."""
    busy, cores = os.getloadavg()[0], os.cpu_count() or 1
    if cores - busy < 1:
        print(f"not measured: two processes over one, since {cores} cores have a load of {busy:.1f}")
        return
    yield Promise("two processes over one", max(_rate(2) / _rate(1) for _ in range(rounds)), least=1.6)


def _rate(workers: int) -> float:
    spawning = multiprocessing.get_context("spawn")
    together, seconds = spawning.Barrier(workers), spawning.SimpleQueue()
    working = [spawning.Process(target=_work, args=(together, seconds)) for _ in range(workers)]
    for process in working:
        process.start()
    slowest = max(seconds.get() for _ in working)
    for process in working:
        process.join()
    return workers / slowest


def _work(together: Any, seconds: Any) -> None:
    press, some = Chains().press, digests(6_000)
    cost(press, some[:300])
    together.wait()
    start = time.perf_counter()
    cost(press, some)
    seconds.put(time.perf_counter() - start)


def compiling(rounds: int) -> Iterator[Promise]:
    """From composed MJML to the HTML template (mask, MJML, inline, unmask), over one call of mjml2html.

    Reading the files strictly, compiling Jinja and proving the result against a hostile fixture come on top, once for
    each change of a template: that is told, and not bounded.
    """
    source = template.Source("digest", [TEMPLATES], PUBLICATION.accent)
    mjml = source.composed("body.mjml")
    masked = template._mask(mjml)[0]

    def convert() -> str:
        masked, tokens = template._mask(mjml)
        return template._unmask(template.converted(masked, "bench"), tokens, source)

    once = min(_seconds(lambda: mjml2html(masked, fonts={}), 40) for _ in range(rounds))
    whole = min(_seconds(lambda: compiled("digest", [TEMPLATES], PUBLICATION), 1) for _ in range(rounds))
    print(f"compiling with lint and proof: {whole * 1000:.0f} ms, {whole / once:.0f} x one mjml2html")
    yield Promise(
        "converting a layout over one mjml2html", min(_seconds(convert, 5) for _ in range(rounds)) / once, most=60
    )


def _seconds(act: Callable[[], object], times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        act()
    return (time.process_time() - start) / times


def sizes() -> Iterator[Promise]:
    """Bytes of encoded HTML of a mail with 500-character abstracts."""
    abstract = " ".join([SENTENCE] * 5)[:500]
    press = Press(compiled("digest", [TEMPLATES], PUBLICATION), specimen.edition(20, abstract))
    for papers, most in ((10, 38_000), (20, 68_000)):
        message = press.message(specimen.digest(papers), "reader@example.net", date(2026, 1, 1), specimen.URLS)
        yield Promise(f"bytes of HTML, {papers} papers", len(message) - message.index(b"text/html"), most=most)


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    return exit_code([*chains(Chains(), rounds), *processes(3), *compiling(rounds), *sizes()])


if __name__ == "__main__":
    sys.exit(main())
