"""Where papers are announced: one module per kind of source, each with its settings as its own dataclass.

To add a source: write `sources/<kind>.py` with a frozen dataclass whose fields are its settings in `config.yaml`
(`name` first) and which has `fetch` (`batch.fetched` is all of it but for reading the document); say
`SOURCE = YourClass`; put a recorded document into `tests/data/sources/` and a test beside the others; add an example
entry with `kind: <kind>` to `config.yaml`. Nothing else is edited. Where the operator may name a document outside the
public internet, a field `internal` opts in to that and is handed on to `Http.get`. A source that is installed as a
package of its own registers its class under the entry point group `digest.sources` instead.
"""

from datetime import date
from typing import Protocol, runtime_checkable

from digest.model import Batch, Memory
from digest.sources.http import Http


class Source(Protocol):
    """Asked once per collection, in a thread of its own. Never sleeps: politeness is `Http`'s job."""

    @property
    def name(self) -> str:
        """As `config.yaml` calls it; listings and signals carry it."""

    def fetch(self, http: Http, memory: Memory) -> Batch:
        """All that the documents hold now: listings, new memory, complete or cut, warnings. Raises SourceError."""


@runtime_checkable
class Watching(Source, Protocol):
    """One that cannot say what is new, only more of the papers that it finds in `Memory.known`."""

    @property
    def watches(self) -> str:
        """What these papers must link to, as `code`."""


@runtime_checkable
class Dated(Source, Protocol):
    """One that can also be asked for a past day: for what was missed, and for counts that grow."""

    @property
    def grows(self) -> bool | None:
        """Whether the counts of a past day are worth watching; None where these settings leave no past days."""

    def on(self, day: date, http: Http) -> Batch:
        """What was announced that day, as far as it is still known. Raises SourceError."""
