"""`Settings` become wired services, each made when first asked for. The only place that picks concrete classes."""

import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import time, timedelta
from functools import cache, cached_property, lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digest import clock, config, links
from digest.config import Settings, Where, shipped
from digest.errors import ConfigError, NotFound
from digest.model import Publication, Topic

if TYPE_CHECKING:  # a command loads the rooms that it enters
    from digest.catalog import Catalog
    from digest.delivery import Transport
    from digest.delivery.dkim import Signer
    from digest.services.collect import Collect
    from digest.services.curation import Curation
    from digest.services.deliver import Deliver
    from digest.services.doctor import Doctor
    from digest.services.feedback import Feedback
    from digest.services.library import Library
    from digest.services.printing import Printing
    from digest.services.profiles import Profiles
    from digest.services.publish import Publish
    from digest.services.semantic import Semantic
    from digest.services.subscriptions import Subscriptions
    from digest.services.why import Explain
    from digest.sources import Source
    from digest.sources.http import Http


class App:
    """One configuration at work. What cannot be used is a ConfigError with file and line."""

    def __init__(self, settings: Settings, now: clock.Clock = clock.system) -> None:
        self.settings = settings
        self.clock = now

    @cached_property
    def publication(self) -> Publication:
        return self.settings.publication_value()

    @cached_property
    def templates(self) -> list[Path]:
        """Where templates are looked for, file by file: the operator's folder, then ours."""
        return [self.settings.file(self.settings.templates), shipped("templates")]

    @cached_property
    def opened(self) -> "Catalog":
        """Whatever its schema; a database that does not exist is made, with keys to go with it.

        No keys for an old one: links that were mailed depend on those it had.
        """
        from digest.catalog import Catalog

        catalog, keys = Catalog(self.settings.database_url), self.settings.file(self.settings.keys)
        if catalog.store.version() is None:
            if not keys.exists():
                links.create(keys)
            catalog.store.create()
        return catalog

    @cached_property
    def catalog(self) -> "Catalog":
        """`opened`, its schema checked."""
        self.opened.store.require_current()
        self.opened.topics.offer([Topic(0, **topic.model_dump()) for topic in self.settings.topics])
        return self.opened

    @cached_property
    def links(self) -> links.Links:
        _ = self.catalog  # a new one brings its keys
        return links.load(self.settings.file(self.settings.keys))

    @cached_property
    def sources(self) -> list["Source"]:
        return [
            self._part("sources", "SOURCE", entry.kind, {"name": entry.name, **entry.options}, ("sources", i))
            for i, entry in enumerate(self.settings.sources)
        ]

    @cached_property
    def transport(self) -> "Transport":
        chosen = self.settings.transport
        options = dict(chosen.options)
        if chosen.kind == "maildir":
            path = options.get("path") or "outbox"
            options["path"] = str(self.settings.file(path)) if isinstance(path, str) else path
        made: Transport = self._part("delivery", "TRANSPORT", chosen.kind, options, ("transport",))
        return made

    @cached_property
    def signer(self) -> "Signer | None":
        from digest.delivery.dkim import Signer

        dkim = self.settings.delivery.dkim
        return Signer(dkim.domain, dkim.selector, dkim.key.encode()) if dkim else None

    @cached_property
    def http(self) -> "Http":
        from digest.sources.http import Http

        return Http(self.settings.user_agent, root=self.settings.root)

    @cached_property
    def mail_clients(self) -> tuple[str, ...]:
        """What `lint` reads mail with. Raises ConfigError."""
        from digest.rendering.clients import chosen

        try:
            return chosen(self.settings.lint.clients)
        except ValueError as error:
            raise self.settings.complain(("lint", "clients"), str(error)) from error

    @cached_property
    def printing(self) -> "Printing":
        from digest.services.printing import Printing

        return Printing(self.catalog, self.links, self.publication, self.templates, self.signer)

    @cached_property
    def collect(self) -> "Collect":
        from digest.services.collect import Collect

        return Collect(self.catalog, self.sources, self.http, self.clock)

    @cached_property
    def meaning(self) -> "Semantic | None":
        """The sentence-embedding model that the configuration names; its vectors are kept beside the database."""
        said = self.settings.semantic
        if said is None:
            return None
        from digest.services import semantic

        kept = (self.catalog.store.path or self.settings.file("digest")).with_suffix(".vectors")
        try:
            return semantic.Semantic(semantic.find(said.model, self.settings.root), kept)
        except NotFound as error:
            raise self.settings.complain(("semantic", "model"), str(error)) from error

    @cached_property
    def publish(self) -> "Publish":
        from digest.services.choosing import Choosing
        from digest.services.opening import Rhythm
        from digest.services.publish import Publish

        said = self.settings.publish
        window, recent = timedelta(days=said.window), timedelta(days=said.recent)
        rhythm = Rhythm(time.fromisoformat(said.at), timedelta(minutes=said.wait), window, recent)
        choosing = Choosing(self.catalog, rhythm, self.meaning)
        return Publish(self.catalog, self.links, self.printing, choosing, rhythm, self.clock, lambda: self.doctor)

    @cached_property
    def deliver(self) -> "Deliver":
        from digest.delivery.pace import WarmUp
        from digest.services.deliver import Deliver

        said = self.settings.delivery
        return Deliver(
            self.catalog,
            self.links,
            self.printing,
            self.transport,
            self.clock,
            journal=(path := self.catalog.store.path) and path.with_suffix(".journal"),  # with the ledger it belongs to
            connections=said.connections,
            hold=said.uncertain == "hold",
            problems=self.settings.sending_problems(),
            domains={domain.lower(): rate for domain, rate in said.domains.items()},
            warm_up=WarmUp(**dict(said.warm_up)) if said.warm_up else None,
        )

    @cached_property
    def subscriptions(self) -> "Subscriptions":
        from digest.services.subscriptions import Limits, Subscriptions

        said = self.settings.sign_up
        limits = Limits(said.per_network_hour, said.total_hour)
        return Subscriptions(self.catalog, self.links, self.printing, limits, self.clock)

    @cached_property
    def feedback(self) -> "Feedback":
        from digest.services.feedback import Feedback

        @lru_cache(8)
        def fetch(url: str) -> bytes:
            """Once: Amazon has all its messages signed with one certificate, and another has another name."""
            return self.http.get(url, accept="*/*").body

        secrets = {provider: said.secret for provider, said in self.settings.webhooks if said}
        return Feedback(self.catalog, self.links, self.clock, secrets, fetch)

    @cached_property
    def library(self) -> "Library":
        from digest.services.library import Library

        return Library(self.catalog, self.clock, self.publish.edition)

    @cached_property
    def profiles(self) -> "Profiles":
        from digest.services.profiles import Profiles

        return Profiles(self.catalog, self.links, self.library, self.clock)

    @cached_property
    def curation(self) -> "Curation":
        from digest.services.curation import Curation

        secrets = {curator.name: curator.secret for curator in self.settings.curators}
        return Curation(self.catalog, self.library, self.http, self.clock, secrets)

    @cached_property
    def explain(self) -> "Explain":
        from digest.services.why import Explain

        return Explain(self.catalog, self.library, self.publish)

    @cached_property
    def doctor(self) -> "Doctor":
        from digest.services.doctor import Doctor

        names = [entry.name for entry in self.settings.sources]
        return Doctor(self.catalog, self.clock, names, self.settings.sending_problems())

    def _part(self, room: str, name: str, kind: str, options: Mapping[str, Any], where: Where) -> Any:
        """The class that *kind* names, made from its own settings."""
        from pydantic import ValidationError

        try:
            return _reader(self._class(room, name, kind, where)).validate_python(dict(options))
        except ValidationError as error:
            flaws = error.errors(include_url=False)
            said = [((*where, *flaw["loc"]), flaw["msg"].removeprefix("Value error, ")) for flaw in flaws]
            complaints = (self.settings.complain(at, f"{message} ({kind})") for at, message in said)
            raise ConfigError("\n".join(map(str, complaints))) from error

    def _class(self, room: str, name: str, kind: str, where: Where) -> Any:
        known, installed = _kinds(room, name)
        if kind in installed:
            return installed[kind].load()
        if kind not in known:
            raise self.settings.complain((*where, "kind"), f"{kind!r} is no kind we have; known are {', '.join(known)}")
        made = getattr(import_module(f"digest.{room}.{kind}"), name)
        assert is_dataclass(made)
        return made


@cache
def _reader(made: Any) -> Any:
    """What makes values of that class from its settings; making it takes longer than using it."""
    from pydantic import ConfigDict, TypeAdapter

    made.__pydantic_config__ = ConfigDict(extra="forbid")
    return TypeAdapter(made)


@cache
def _kinds(room: str, name: str) -> tuple[list[str], dict[str, EntryPoint]]:
    """Those of ours, and those that are installed."""
    folder = Path(__file__).parent / room
    ours = sorted(p.stem for p in folder.glob("*.py") if re.search(rf"^{name}\b", p.read_text("utf-8"), re.M))
    return ours, {entry.name: entry for entry in entry_points(group=f"digest.{name.lower()}s")}


def load(path: Path, now: clock.Clock = clock.system) -> App:
    """Raises ConfigError."""
    return App(config.load(path), now)
