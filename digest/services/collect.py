"""Ask the sources, side by side; put what they say into the catalog, one after the other."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from digest.catalog import Catalog
from digest.catalog.merging import Taken
from digest.clock import Clock, elapsed
from digest.errors import NotFound, SourceError
from digest.model import Batch, Memory
from digest.sources import Source
from digest.sources.http import Http

AT_ONCE = 8
"""sources asked at a time; `Http` sees to it that one host is asked politely"""


@dataclass(frozen=True)
class Collected:
    """What became of one source: a batch and what was new in it, or the error; *seconds* it took to answer."""

    source: str
    seconds: float
    batch: Batch | None = None
    taken: Taken | None = None
    error: SourceError | None = None


@dataclass
class Collect:
    catalog: Catalog
    sources: Sequence[Source]
    http: Http
    window: timedelta
    """how far back papers are news; older ones are a baseline at first sight of a source"""
    clock: Clock

    def collect(self, names: Sequence[str] = ()) -> Iterator[Collected]:
        """Each source's outcome; one failure does not silence the rest. Raises NotFound."""
        wanted = self._named(names)
        memory = {r.name: r.memory for r in self.catalog.sources.all(self.clock()) if r.answered}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            asked = [pool.submit(self._ask, s, memory.get(s.name, Memory())) for s in wanted]
            for answer in asked:  # in their order, so that what is merged into what does not depend on the network
                yield self._stored(answer.result())

    def _named(self, names: Sequence[str]) -> list[Source]:
        known = {source.name: source for source in self.sources}
        if unknown := [name for name in names if name not in known]:
            raise NotFound(f"no source is called {unknown[0]}; config.yaml has {', '.join(known) or 'none'}")
        return [known[name] for name in names or known]

    def _ask(self, source: Source, memory: Memory) -> Collected:
        """One source, once; its failure is an answer, beside the others (in threads)."""
        begun = elapsed()
        try:
            batch = source.fetch(self.http, memory)
        except SourceError as error:
            return Collected(source.name, elapsed() - begun, error=error)
        return Collected(source.name, elapsed() - begun, batch)

    def _stored(self, collected: Collected) -> Collected:
        name, now = collected.source, self.clock()
        if collected.batch is None:
            self.catalog.sources.failed(name, str(collected.error), now)
            return collected
        taken = self.catalog.papers.take(name, collected.batch, now, self.window)
        return Collected(name, collected.seconds, collected.batch, taken)
