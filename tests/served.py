"""A stand-in for Http."""

from pathlib import Path

from digest.model import Memory
from digest.sources.http import Answer

DOCUMENTS = Path(__file__).parent / "data" / "sources"


class Served:
    """An Http that has one document for everybody."""

    def __init__(self, body: bytes, content_type: str = "application/xml", **more: object) -> None:
        self.body, self.content_type, self.more = body, content_type, more
        self.asked: list[str] = []
        self.internal: list[bool] = []

    def get(self, url: str, memory: Memory | None = None, accept: str = "", *, internal: bool = False) -> Answer:
        self.asked.append(url)
        self.internal.append(internal)
        return Answer(url, self.body, self.content_type, **self.more)
