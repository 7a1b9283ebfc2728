"""How the chunks of a big task are run: here and now, or (later) on Celery workers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

ChunkId = str
"""names at most a minute of work; the ledger makes running a chunk twice harmless"""

Task = Callable[[ChunkId], object]


class Engine(Protocol):
    def map(self, task: str, chunks: Iterable[ChunkId]) -> None:
        """Runs the chunks of `collect`, `compose` or `deliver` to their end; a failure is raised after all ran."""


@dataclass(frozen=True)
class Local:
    """One chunk after the other in this process."""

    tasks: Mapping[str, Task]

    def map(self, task: str, chunks: Iterable[ChunkId]) -> None:
        failures: list[Exception] = []
        for chunk in chunks:
            try:
                self.tasks[task](chunk)
            except Exception as error:  # noqa: BLE001  raised below; one chunk must not silence the rest
                failures.append(error)
        if failures:
            raise failures[0]
