"""`config.yaml`, overridden by `DIGEST_…` variables, becomes `Settings`, or a ConfigError that lists every problem.

Each problem is a line, `config.yaml:LINE: path.to.key: what is wrong`; a variable is named in place of file and line.
What belongs to a source or a transport stays a plain dict for the dataclass that understands it.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic import IPvAnyNetwork as Network

from digest import __version__
from digest.delivery.address import is_loopback
from digest.errors import ConfigError
from digest.model import Publication, Topic

Where = tuple[str | int, ...]

_PREFIX = "DIGEST_"
LIBRARY = "library"
"""the word for the topics that come with the program, in place of a list"""
_MASK = "********"
_SECRET = re.compile(r"(.*(?:password|secret|token|key))(_file)?")
_PLACEHOLDER = re.compile(
    r"(?i)((your|my|the)?\W*(change.?me|password|secret|token|key|example|placeholder|todo)|x*|\**|<.*>)"
)
_PASSWORD_IN_URL = re.compile(r"(://[^:/@\s]*):[^/@\s]+@")
_NO_POST = re.compile(r"(?i)example|placeholder|change.?me|your (street|address|city)")
_NO_MAILBOX = re.compile(r"(?i).*[.@](localhost|test|invalid|example|example\.(com|net|org))")


# ---------------------------------------------------------------- what can be said


def _like(pattern: str, hint: str) -> AfterValidator:
    def checked(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(hint)
        return value

    return AfterValidator(checked)


def _base_url(value: str) -> str:
    url = urlsplit(value)
    if not re.fullmatch(r"https?://[^\s?#@<>\"\x7f-\U0010ffff]+", value) or not url.hostname:
        raise ValueError("write it like https://news.example.org")
    if url.scheme == "http" and not is_loopback(url.hostname):
        raise ValueError("http is for this machine only; elsewhere it must be https")
    return value.rstrip("/")


def _spelled_out(value: Any) -> Any:
    """`transport: maildir` is short for `transport: {kind: maildir}`."""
    return {"kind": value} if isinstance(value, str) else value


_ADDRESS = r"[A-Za-z0-9_.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9.-]{1,180}"
Line = Annotated[str, _like(r"[^\x00-\x1f\x7f]{0,300}", "write one line of at most 300 characters")]
Name = Annotated[str, _like(r"[^\x00-\x1f\x7f]{1,100}", "write one line of 1 to 100 characters")]
Slug = Annotated[str, _like(r"[a-z0-9]+([-_][a-z0-9]+)*", "use lower-case letters, digits and hyphens")]
Mailbox = Annotated[str, _like(_ADDRESS, "write only an address, like digest@news.example.org")]
Domain = Annotated[str, _like(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|", "write a domain, like news.example.org")]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Days = Annotated[int, Field(ge=1, le=31)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, said: Any) -> Any:
        """A known key with nothing after it is as good as none."""
        known = cls.model_fields
        return {k: v for k, v in said.items() if v is not None or k not in known} if isinstance(said, dict) else said

    def __repr_args__(self) -> Any:
        return _masked(dict(super().__repr_args__())).items()


class Letterhead(Section):
    """As it was written; `Settings.publication_value` is the finished one."""

    name: Name = "Trending papers"
    sender: Mailbox = "digest@localhost"
    base_url: Annotated[str, AfterValidator(_base_url)] = "http://127.0.0.1:8000"
    list_id: Domain = ""
    postal_address: str = ""
    tagline: Line = ""
    reply_to: Annotated[str, _like(f"({_ADDRESS})?", "write only an address")] = ""
    return_domain: Domain = ""
    accent: Annotated[str, _like("#[0-9A-Fa-f]{6}", 'write a colour like "#b31b1b", in quotes')] = "#b31b1b"
    logo: Annotated[str, _like(r"(https://[^\s<>\"']{1,300})?", "write the https address of an image")] = ""


class Part(Section):
    """An entry whose other keys, its *options*, belong to the dataclass that *kind* names."""

    model_config = ConfigDict(extra="allow")
    kind: Slug

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class SourceEntry(Part):
    name: Name


class TopicEntry(Section):
    slug: Slug
    name: Name
    description: str = ""
    keywords: tuple[Line, ...] = ()
    categories: tuple[Line, ...] = ()
    exclusions: tuple[Line, ...] = ()


class Publish(Section):
    at: Annotated[str, _like("([01][0-9]|2[0-3]):[0-5][0-9]", 'write it like "06:00"')] = "06:00"  # UTC
    wait: Annotated[int, Field(ge=0, le=1200)] = 90  # minutes
    window: Days = 7
    recent: Days = 3


class Dkim(Section):
    domain: Domain
    selector: Domain
    key: str = ""
    key_file: str = Field("", exclude=True)  # for the schema alone: it is read into `key` before validation


class Warming(Section):
    """See `delivery.pace.WarmUp`."""

    since: date
    first: Count = 200
    growth: Annotated[float, Field(ge=1)] = 1.5


class Delivery(Section):
    connections: Count = 1
    uncertain: Literal["resend", "hold"] = "resend"
    domains: dict[Line, Annotated[float, Field(ge=0)]] = {}
    warm_up: Warming | None = None
    dkim: Dkim | None = None


class Web(Section):
    host: Line = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    trusted_proxies: tuple[Network, ...] = ()


class Sentences(Section):
    """A sentence-embedding model beside the words: a folder, or an installed package, with an ONNX file in it."""

    model: Name


class SignUp(Section):
    """Where new subscribers start, and how many confirmation mails may leave (REQ-24)."""

    zone: ZoneInfo = ZoneInfo("UTC")
    hour: Annotated[int, Field(ge=0, le=23)] = 7
    per_network_hour: Count = 20
    total_hour: Count = 1000


class Webhook(Section):
    """What proves that a callback is the provider's own; what each calls it stands in its module of delivery/events."""

    secret: Annotated[str, Field(min_length=1)]
    secret_file: str = Field("", exclude=True)  # for the schema alone, as in Dkim


class Webhooks(Section):
    """The mail providers that may report to `/webhooks/NAME`."""

    mailgun: Webhook | None = None
    postmark: Webhook | None = None
    resend: Webhook | None = None
    sendgrid: Webhook | None = None
    ses: Webhook | None = None


class Curator(Section):
    """Who may pick papers on the page `/curate`."""

    name: Name
    secret: Annotated[str, Field(min_length=16)]
    secret_file: str = Field("", exclude=True)  # for the schema alone, as in Dkim


class Lint(Section):
    clients: tuple[Line, ...] = ()


class Settings(Section):
    """All that `config.yaml` says, checked. Paths are relative to its folder: see `file`."""

    publication: Letterhead = Letterhead()
    database: str = "sqlite:///subscribers.db"
    keys: str = "digest.keys"
    engine: Literal["local"] = "local"
    templates: str = "templates"
    contact: Line = ""
    publish: Publish = Publish()
    transport: Annotated[Part, BeforeValidator(_spelled_out, json_schema_input_type=str | Part)] = Part(kind="maildir")
    delivery: Delivery = Delivery()
    web: Web = Web()
    sign_up: SignUp = SignUp()
    webhooks: Webhooks = Webhooks()
    semantic: Sentences | None = None
    lint: Lint = Lint()
    curators: tuple[Curator, ...] = ()
    sources: tuple[SourceEntry, ...] = ()
    topics: tuple[TopicEntry, ...] = ()
    _reading: "Reading" = PrivateAttr(default_factory=lambda: Reading(Path("config.yaml")))

    @property
    def path(self) -> Path:
        return self._reading.path

    @property
    def root(self) -> Path:
        return self._reading.root

    def file(self, name: str) -> Path:
        """Where the file lies that the configuration calls *name*."""
        return self.root / Path(name).expanduser()

    @property
    def database_url(self) -> str:
        """The database; SQLite's file with its absolute path."""
        head, slashes, name = self.database.partition("sqlite:///")
        return self.database if head or name in ("", ":memory:") else f"{slashes}{self.file(name)}"

    @property
    def user_agent(self) -> str:
        return f"digest/{__version__} (+{self.contact or self.publication.base_url})"

    def publication_value(self) -> Publication:
        said = self.publication
        list_id = said.list_id or f"papers.{said.sender.rpartition('@')[2]}"
        return Publication(**said.model_dump() | {"list_id": list_id})

    def sending_problems(self) -> list[str]:
        """Why no mail may leave (REQ-22), a line each. What stays on this machine needs only a postal address."""
        said, relay = self.publication, str(self.transport.options.get("host", ""))
        at_home = is_loopback(urlsplit(said.base_url).hostname or "")
        leaves = self.transport.kind != "maildir" and not (at_home and is_loopback(relay))
        problems = {
            "postal_address: is empty; mail must say where its sender can be reached": not said.postal_address.strip(),
            "postal_address: is a placeholder; write a real one": leaves and _NO_POST.search(said.postal_address),
            "sender: is a placeholder; write an address of yours": leaves and _NO_MAILBOX.fullmatch(said.sender),
            "base_url: leads readers to their own machine; write the https address of yours": leaves and at_home,
        }
        return [f"{self.path}: publication.{problem}" for problem, found in problems.items() if found]

    def complain(self, where: Where, message: str) -> ConfigError:
        """The error about what stands at *where*, for whoever finds fault with it later."""
        return ConfigError(self._reading.complaint(where, message))


# ---------------------------------------------------------------- reading it


class Reading:
    """One reading of the file: where each value stands, and what is wrong so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path.absolute().parent
        self.problems: list[str] = []
        self._places: dict[Where, str] = {}

    def complaint(self, where: Where, message: str) -> str:
        return ": ".join(filter(None, (self._place(where), ".".join(map(str, where)), message)))

    def wrong(self, where: Where, message: str) -> None:
        self.problems.append(self.complaint(where, message))

    def _place(self, where: Where) -> str:
        known = (self._places[where[:n]] for n in range(len(where), 0, -1) if where[:n] in self._places)
        return next(known, str(self.path))

    def plain(self, path: Path, where: Where = ()) -> Any:
        """What a YAML file says. Raises ConfigError when it cannot be read at all."""
        try:
            tree = yaml.compose(path.read_bytes().decode("utf-8-sig"), Loader=_LOADER)
        except OSError as error:
            place = self.complaint(where, str(path)) if where else str(path)
            way_out = "check the name" if where else "run `digest init`, or name another file with --config"
            raise ConfigError(f"{place}: {error.strerror}; {way_out}") from error
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise ConfigError(f"{path}:{line}: this is no YAML: {error.problem or error.context}") from error
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigError(f"{path}: this is no YAML in UTF-8: {str(error).splitlines()[0]}") from error
        return self._value(tree, where, str(path)) if tree else None

    def _value(self, node: yaml.Node, where: Where, file: str) -> Any:
        if len(where) > 20:
            return self.wrong(where, "is nested too deeply")
        if not node.tag.startswith("tag:yaml.org,2002:"):
            return self.wrong(where, f"tags like {node.tag} are not read")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where, file)
        if isinstance(node, yaml.SequenceNode):
            self._places |= {(*where, i): f"{file}:{item.start_mark.line + 1}" for i, item in enumerate(node.value)}
            return [self._value(item, (*where, i), file) for i, item in enumerate(node.value)]
        return _scalar(node.value) if isinstance(node, yaml.ScalarNode) and not node.style else node.value

    def _mapping(self, node: yaml.MappingNode, where: Where, file: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in node.value:
            key, place = str(name.value), f"{file}:{name.start_mark.line + 1}"
            first, self._places[*where, key] = self._places.get((*where, key)), place
            if first:
                self.wrong((*where, key), f"stands twice, first at {first}")
            found[key] = self._value(value, (*where, key), file)
        return found

    def overridden(self, values: dict[str, Any], by: Mapping[str, Any], where: Where = ()) -> dict[str, Any]:
        """*values* with what the environment says in their place."""
        result = dict(values)
        for key, value in by.items():
            here, below = (*where, key), _spelled_out(values.get(key))
            if isinstance(value, dict):
                result[key] = self.overridden(below if isinstance(below, dict) else {}, value, here)
            else:
                kept = {there: place for there, place in self._places.items() if there[: len(here)] != here}
                result[key], self._places = value, kept | {here: _PREFIX + "__".join(map(str, here)).upper()}
        return result

    def revealed(self, value: Any, where: Where = ()) -> Any:
        """*value* with `<secret>_file: PATH` replaced by what the file holds, and every secret checked (REQ-59)."""
        if isinstance(value, list):
            return [self.revealed(item, (*where, i)) for i, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        found = {}
        for key, inner in value.items():
            stem, file = named.groups() if (named := _SECRET.fullmatch(key)) else (key, None)
            if file and stem in value:
                continue  # what the environment says goes before the file
            scalar = isinstance(inner, str | int | float)
            secret = scalar and (named or _PASSWORD_IN_URL.search(str(inner)))
            found[stem] = (self._secret if secret else self.revealed)(inner, (*where, key))
        return found

    def _secret(self, value: Any, where: Where) -> str:
        """What *value* says, or the file it names holds."""
        in_file = str(where[-1]).endswith("_file")
        path = self.root / str(value) if in_file else self.path
        try:
            text = path.read_text("utf-8", "replace").strip() if in_file else str(value)
            if (in_file or ":" in self._place(where)) and path.stat().st_mode & 0o077:
                self.wrong(where, f"others can read this secret; run `chmod 600 {path}`, or keep it in another file")
            if _PLACEHOLDER.fullmatch(text):
                self.wrong(where, "is empty or a placeholder; put the real secret there")
            return text
        except OSError as error:
            self.wrong(where, f"{path} cannot be read: {error.strerror}")
            return ""


_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


def _scalar(text: str) -> Any:
    """Less than YAML 1.1 reads into plain words: `no` is text, and `12:30` is not 750."""
    if re.fullmatch(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?", text):
        return float(text) if "." in text else int(text)
    return _WORDS.get(text.lower(), text)


def _environment() -> dict[str, Any]:
    """What variables like `DIGEST_WEB__PORT` say; a list or section is written in YAML."""
    if not any(name.upper().startswith(_PREFIX) for name in os.environ):
        return {}
    from pydantic_settings import EnvSettingsSource  # only where needed: it doubles the start-up of this module

    class Environment(EnvSettingsSource):
        def decode_complex_value(self, field_name: str, field: Any, value: Any) -> Any:
            try:
                said = yaml.safe_load(value)
            except yaml.YAMLError as error:
                raise ConfigError(f"a {_PREFIX} variable: {field_name}: this is no YAML") from error
            return _spelled_out(said) if field_name == "transport" else said

    said: Any = Settings  # of which it needs the fields only
    return Environment(said, env_prefix=_PREFIX, env_nested_delimiter="__", env_ignore_empty=True)()


def load(path: Path) -> Settings:
    """The settings in *path*. Raises ConfigError with a line for each problem."""
    reading = Reading(path)
    said = reading.plain(path) or {}
    if not isinstance(said, dict):
        raise ConfigError(f"{path}: must hold lines like `key: value`")
    said = reading.overridden(said, _environment())
    if isinstance(topics := said.get("topics"), str | dict):
        said["topics"] = _topics(reading, topics)
    try:
        settings = Settings.model_validate(reading.revealed(said))
    except ValidationError as error:
        for flaw in error.errors(include_url=False, include_input=False):
            reading.wrong(flaw["loc"], _words(flaw["type"], flaw["loc"], flaw["msg"]))
    else:
        settings._reading = reading
        _check_together(settings)
    if reading.problems:
        raise ConfigError("\n".join(reading.problems))
    return settings


def _topics(reading: Reading, said: str | dict[str, Any]) -> Any:
    """The list that `topics: FILE`, `topics: library` or `topics: {library: [NAME, ...]}` stands for."""
    if isinstance(said, str) and said != LIBRARY:
        return reading.plain(reading.root / said, ("topics",))
    names = said.get(LIBRARY) if isinstance(said, dict) else None
    if isinstance(said, dict) and (said.keys() != {LIBRARY} or not isinstance(names, list)):
        reading.wrong(("topics",), "write a list of topics, the name of a file, library, or {library: [cs, stat]}")
        return []
    known = library()
    for i, name in enumerate(names or ()):
        if not any(topic.within(str(name)) for topic in known):
            message = f"{name!r} is no field, category or slug of the library; `digest topics --library` lists them"
            reading.wrong(("topics", LIBRARY, i), message)
    chosen = [topic for topic in known if names is None or any(topic.within(str(name)) for name in names)]
    return [{key: value for key, value in asdict(topic).items() if key != "id"} for topic in chosen]


def library() -> list[Topic]:
    """The topics that come with the program."""
    return [Topic(0, **TopicEntry(**entry).model_dump()) for entry in Reading(Path()).plain(shipped("topics.yaml"))]


def _check_together(settings: Settings) -> None:
    wrong = settings._reading.wrong
    if settings.publish.recent > settings.publish.window:
        wrong(("publish", "recent"), "is longer than publish.window")
    names = {"sources": [s.name for s in settings.sources], "topics": [t.slug for t in settings.topics]}
    for section, key in (("sources", "name"), ("topics", "slug")):
        for i, name in enumerate(names[section]):
            if name in names[section][:i]:
                wrong((section, i, key), f"{name} stands twice; each needs a {key} of its own")


_OURS = {
    "missing": "is missing",
    "model_type": "must hold lines like `key: value`",
    "tuple_type": "must be a list",
    "string_type": "must be text; put it in quotes",
}


def _words(kind: str, where: Where, message: str) -> str:
    if kind != "extra_forbidden":
        return _OURS.get(kind, message.removeprefix("Value error, "))
    section: type[BaseModel] = Settings
    for key in (key for key in where[:-1] if isinstance(key, str)):
        said = section.model_fields[key].annotation
        section = next(a for a in (said, *get_args(said)) if isinstance(a, type) and issubclass(a, BaseModel))
    near = get_close_matches(str(where[-1]), section.model_fields, 1)
    return f"is no known key; {f'did you mean {near[0]}?' if near else 'known are ' + ', '.join(section.model_fields)}"


# ---------------------------------------------------------------- showing it


def _masked(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {k: _masked(v, str(k)) for k, v in value.items()}
    if isinstance(value, list):
        return [_masked(item, key) for item in value]
    if value and _SECRET.fullmatch(key):
        return _MASK
    return _PASSWORD_IN_URL.sub(rf"\1:{_MASK}@", value) if isinstance(value, str) else value


def shown(settings: Settings) -> dict[str, Any]:
    """All settings with the defaults, secrets masked."""
    masked: dict[str, Any] = _masked(settings.model_dump(mode="json"))
    return masked


def schema() -> dict[str, Any]:
    """The JSON schema of `config.yaml`, for editors."""
    found = Settings.model_json_schema()
    other = [{"type": "string"}, {"type": "object"}]  # see _topics
    found["properties"]["topics"] = {"anyOf": [found["properties"]["topics"], *other]}
    return found


def with_sources(path: Path, entries: Sequence[Mapping[str, Any]]) -> tuple[str, bool]:
    """*entries* as they stand in the list of sources, and whether they were written to the end of the list in *path*.

    Every comment stays; what is not laid out an entry under the other is left for a person to edit.
    """
    item = yaml.safe_dump([*map(dict, entries)], sort_keys=False, allow_unicode=True, width=1_000)
    text = path.read_bytes().decode("utf-8")
    lines, tree = text.splitlines(keepends=True), yaml.compose(text, Loader=_LOADER)
    pairs = tree.value if isinstance(tree, yaml.MappingNode) else ()
    at = next((place for place, (key, _) in enumerate(pairs) if key.value == "sources"), len(pairs))
    node = pairs[at][1] if at < len(pairs) else None
    if not isinstance(node, yaml.SequenceNode) or node.flow_style or not text.endswith("\n") or "\r" in text:
        return indent(item, "  "), False
    column, later = node.start_mark.column, pairs[at + 1 :]
    end = later[0][0].start_mark.line if later else len(lines)
    while re.match(rf" {{0,{column}}}(#|$)", lines[end - 1]):
        end -= 1  # blank, or a comment on what follows
    item = indent(item, " " * column)
    longer = "".join((*lines[:end], item, *lines[end:]))
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    before, after = (yaml.load(words, loader) for words in (text, longer))  # noqa: S506 - it is safe
    safe: bool = after == before | {"sources": [*before["sources"], *map(dict, entries)]}
    if safe:
        path.write_bytes(longer.encode())
    return item, safe


def shipped(name: str) -> Path:
    """A file or folder that comes with the program: inside the wheel, or beside the package in the repository."""
    here = Path(__file__).parent
    packed = here / "shipped" / name
    return packed if packed.exists() else here.parent / name
