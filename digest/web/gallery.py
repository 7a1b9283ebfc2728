"""A page beside the editor, for whoever makes templates: one digest as everybody would see it, loaded again on change.

Served on loopback by `digest preview --gallery`, apart from the public pages; it asks for nothing from elsewhere.
"""

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.middleware.trustedhost import TrustedHostMiddleware

from digest.errors import DigestError, NotFound
from digest.model import MOST_PAPERS, Subscriber
from digest.rendering.lint import Finding
from digest.rendering.press import BUDGET
from digest.rendering.review import LIGHT, review
from digest.rendering.stationery import fingerprint
from digest.web import SILENT

if TYPE_CHECKING:
    from digest.app import App
    from digest.services.publish import Preview

CLIPPED = 102_000
"""bytes of HTML after which Gmail hides the rest"""

PRIVATE = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
"""the query may have an address in it"""

_DARK = re.compile(r"@media \(prefers-color-scheme: ?dark\)")


@dataclass(frozen=True)
class Asked:
    """What the chooser says; each may be empty."""

    who: str = ""
    topics: str = ""
    edition: str = ""
    count: int = 10

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Asked":
        """From a query string; what cannot be read counts as not said."""
        count = query.get("count", "")
        texts = {name: query.get(name, "").strip() for name in ("who", "topics", "edition")}
        return cls(**texts, count=min(max(int(count), 1), MOST_PAPERS) if count.isdecimal() else 10)


@dataclass(frozen=True)
class Changes:
    """Titles, against the digest that the edition before would have made."""

    day: date
    new: list[str]
    gone: list[str]


@dataclass
class Gallery:
    """Makes the page anew each time, by the same services as the real run."""

    app: "App"

    @cached_property
    def _templates(self) -> Environment:
        folders = [folder / "web" for folder in self.app.templates]
        made = Environment(loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined)
        made.filters |= {"by_day": lambda html: _DARK.sub("@media not all", html)}
        made.filters |= {"by_night": lambda html: _DARK.sub("@media all", html)}
        return made

    def state(self) -> str:
        """Changes with every template."""
        return fingerprint("", self.app.templates, self.app.publication)

    def page(self, asked: Asked, *, live: bool = False) -> str:
        """The whole page, by itself; *live* ones ask their server whether a template has changed."""
        shown: dict[str, Any] = {"trouble": "", "found": None, "changes": None}
        try:
            reader = self._reader(asked)
            found = self.app.publish.preview(reader, _day(asked.edition) if asked.edition else None)
            shown |= {"found": found, "changes": self._changes(reader, found), **_source(found.message)}
        except DigestError as error:  # a template that is being edited is often broken
            shown["trouble"] = str(error)
        return self._templates.get_template("gallery.html").render(
            asked=asked,
            most=MOST_PAPERS,
            readers=[reader.address for reader in islice(self.app.catalog.subscribers.each(), 200)],
            editions=[day.isoformat() for day in self.app.catalog.editions.dates()],
            findings=self._findings(self.state()),
            state=self.state() if live else "",
            limits={"light": LIGHT, "budget": BUDGET, "clipped": CLIPPED},
            **shown,
        )

    def _reader(self, asked: Asked) -> Subscriber:
        if asked.who:
            return self.app.subscriptions.find(asked.who)
        interest, _ = self.app.subscriptions.interest(asked.topics.split(","))
        return self.app.publish.anybody(interest, asked.count)

    def _changes(self, reader: Subscriber, found: "Preview") -> Changes | None:
        earlier = max((day for day in self.app.catalog.editions.dates() if day < found.edition.date), default=None)
        if earlier is None:
            return None
        both = found, self.app.publish.preview(reader, earlier)
        now, then = ([item.candidate.card.title for item in preview.items] for preview in both)
        return Changes(earlier, [title for title in now if title not in then], [t for t in then if t not in now])

    @cached_property
    def _findings(self) -> Callable[[str], list[Finding]]:
        """Reviewed once for each state of the templates: it takes a second."""
        return lru_cache(1)(lambda _: review(self.app.templates, self.app.publication, self.app.mail_clients))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise NotFound(f"{text!r} is no date; write 2026-01-16") from error


def _source(message: bytes) -> dict[str, Any]:
    """Headers, encoded source and sizes of *message*."""
    head, _, body = message.partition(b"\r\n\r\n")
    html = body[body.rindex(b"Content-Type: text/html") :]
    return {
        "headers": head.decode("ascii").replace("\r\n", "\n"),
        "encoded": body.decode("ascii").replace("\r\n", "\n"),
        "size": len(html),
        "whole": len(message),
    }


def pages(gallery: Gallery) -> FastAPI:
    """The page, and the state of the templates; only for a browser that meant us (no DNS rebinding)."""

    def page(request: Request) -> Response:
        return HTMLResponse(gallery.page(Asked.of(request.query_params), live=True), headers=PRIVATE)

    def state() -> Response:
        return PlainTextResponse(gallery.state(), headers=PRIVATE)

    made = FastAPI(openapi_url=None, telemetry=SILENT)
    made.add_api_route("/", page)
    made.add_api_route("/state", state)
    made.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1"])
    return made


def serve(gallery: Gallery, begun: Callable[[str], None]) -> None:
    """Until stopped, on any free port of loopback; *begun* is told the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        begun(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        uvicorn.Server(uvicorn.Config(pages(gallery), access_log=False, log_level="warning")).run([listening])
