"""A layout compiled: printed on by `press`, stored by its hash, so that any mail can be rebuilt later."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Self

from digest.model import Publication


@dataclass(frozen=True)
class Stationery:
    """Jinja sources of one layout, and the publication whose letterhead they print."""

    layout: str
    subject: str
    html: str
    text: str
    publication: Publication

    @cached_property
    def hash(self) -> str:
        """What a digest row remembers of its stationery."""
        return sha256(self.dumps().encode()).hexdigest()[:16]

    @property
    def digests(self) -> bool:
        """Does it print digests? Else letters, such as the one that asks for confirmation."""
        return re.search(r"\{\{\s*why\b", self.html) is not None

    def dumps(self) -> str:
        """Canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def loads(cls, text: str) -> Self:
        """The inverse of `dumps`."""
        fields = json.loads(text)
        return cls(**fields | {"publication": Publication(**fields["publication"])})


def files(folders: Sequence[Path]) -> dict[str, Path]:
    """What is read for each file name: the first folder's wins. An editor's lock, a link to nowhere, is no file."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted((folder / "email").rglob("*.*")):
            if path.is_file():
                found.setdefault(path.relative_to(folder).as_posix(), path)
    return found


def fingerprint(layout: str, folders: Sequence[Path], publication: Publication) -> str:
    """Changes whenever `compiled` might give something else; reads the files and loads no compiler."""
    found = {name: path.read_bytes() for name, path in files(folders).items()}
    for path in sorted(Path(__file__).parent.glob("*.py")):  # the compiler is a part of what it makes
        found[path.name] = path.read_bytes()
    state = sha256(repr((layout, asdict(publication))).encode())
    for name, content in sorted(found.items()):
        state.update(f"{name} {len(content)} ".encode() + content)
    return state.hexdigest()[:16]


def compiled(layout: str, folders: Sequence[Path], publication: Publication) -> Stationery:
    """The layout `email/<layout>/` of the first folder that has it, file by file. Raises TemplateError(file, line)."""
    from digest.rendering import template  # MJML and premailer load only when there is something to compile

    return Stationery(layout, *template.compiled(layout, folders, publication), publication)
