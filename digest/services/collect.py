"""Ask the sources, side by side; put what they say into the catalog, one after the other."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial

from digest.catalog import Catalog
from digest.catalog.merging import Taken
from digest.clock import Clock, elapsed
from digest.errors import NotFound, SourceError
from digest.model import Batch, Memory
from digest.sources import Dated, Source, Watching
from digest.sources.arxiv_api import named
from digest.sources.cited import PASTED
from digest.sources.health import again
from digest.sources.http import Http

AT_ONCE = 64
"""sources asked at a time, so that those that hang leave room; `Http` sees to it that one host is asked politely"""

PATIENCE = 1.0
"""seconds that all wait for whose turn it is"""

ASKED_FOR, AT_A_TIME = timedelta(days=2), 100
"""how long they are asked for, and how many at most in one go"""


@dataclass(frozen=True)
class Collected:
    """What became of one source: a batch and what was new in it, or the error; *seconds* it took to answer.

    With a *day*, only what was announced then was asked for.
    """

    source: str
    seconds: float
    batch: Batch | None = None
    taken: Taken | None = None
    error: SourceError | None = None
    day: date | None = None


@dataclass
class Collect:
    catalog: Catalog
    sources: Sequence[Source]
    http: Http
    clock: Clock

    def collect(self, names: Sequence[str] = ()) -> Iterator[Collected]:
        """Each source's outcome, then those of past days that were missed or whose counts grow; one failure does not
        silence the rest. Raises NotFound."""
        wanted = self._named(names)
        now = self.clock()
        memory = {r.name: r.memory for r in self.catalog.sources.all(now) if r.answered}
        for source in wanted:
            if isinstance(source, Watching):
                memory[source.name] = Memory(known=self.catalog.papers.watched(source.name, source.watches, now))
        fetches = {s.name: partial(s.fetch, self.http, memory.get(s.name, Memory())) for s in wanted}
        yield from self._collected([partial(_ask, name, None, fetch) for name, fetch in fetches.items()])
        records = {r.name: r for r in self.catalog.sources.all(self.clock()) if not r.error}
        past = [
            partial(_ask, source.name, day, partial(source.on, day, self.http))
            for source in wanted
            if isinstance(source, Dated) and source.grows is not None and source.name in records
            for day in again(records[source.name], self.clock(), grows=source.grows)
        ]
        yield from self._collected(past)
        yield from self._collected(self._asked_for())

    def _asked_for(self) -> list[Callable[[], Collected]]:
        """To ask arXiv for what subscribers pasted and nobody has told of; for some days, since not all exists."""
        papers = self.catalog.papers.bare(PASTED, self.clock() - ASKED_FOR)[:AT_A_TIME]
        return [partial(_ask, PASTED, None, partial(named, PASTED, papers, self.http))] if papers else []

    def _named(self, names: Sequence[str]) -> list[Source]:
        known = {source.name: source for source in self.sources}
        if unknown := [name for name in names if name not in known]:
            raise NotFound(f"no source is called {unknown[0]}; config.yaml has {', '.join(known) or 'none'}")
        return [known[name] for name in names or known]

    def _collected(self, asking: Sequence[Callable[[], Collected]]) -> Iterator[Collected]:
        """In their order, so that what is merged into what does not depend on the network; who is slow comes last."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            waiting, until = [pool.submit(ask) for ask in asking], elapsed() + PATIENCE
            while waiting:
                done, _ = wait(waiting[:1], max(0.0, until - elapsed()))
                done = done or wait(waiting, return_when=FIRST_COMPLETED).done
                answer = next(answer for answer in waiting if answer in done)
                waiting.remove(answer)
                yield self._stored(answer.result())

    def _stored(self, collected: Collected) -> Collected:
        name, now = collected.source, self.clock()
        if collected.batch:
            taken = self.catalog.papers.take(name, collected.batch, now, day=collected.day)
            return replace(collected, taken=taken)
        self.catalog.sources.failed(name, str(collected.error), now, day=collected.day)
        return collected


def _ask(name: str, day: date | None, fetch: Callable[[], Batch]) -> Collected:
    """One source, once; its failure is an answer, beside the others (in threads)."""
    begun = elapsed()
    try:
        batch = fetch()
        if not batch.complete and not batch.listings:
            raise SourceError(batch.warnings[0], name=name)
    except SourceError as error:
        return Collected(name, elapsed() - begun, error=error, day=day)
    return Collected(name, elapsed() - begun, batch, day=day)
