"""GitHub: the stars of the repositories that papers link to, as signals.

Which papers, the catalog says; a repository is asked after less and less often. Without a token GitHub answers 60
questions an hour, with one 5,000 (https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
"""

import re
from dataclasses import dataclass, field, replace

from digest.errors import SourceError
from digest.model import Batch, Listing, Memory
from digest.sources.batch import Unusable
from digest.sources.http import Http
from digest.sources.parts import loaded, part

_REPOSITORY = re.compile(r"https?://(?:www\.)?github\.com/([\w-]{1,39})/([\w.-]{1,100}?)(?:\.git)?(?:/.*)?")
_ENOUGH = 3
"""failures in a row after which GitHub is left alone"""


@dataclass(frozen=True)
class GithubStarsSource:
    """Stars of at most *most* repositories at a time."""

    name: str
    token: str = field(default="", repr=False)
    most: int = 30
    url: str = "https://api.github.com"
    internal: bool = False

    @property
    def watches(self) -> str:
        return "code"

    def fetch(self, http: Http, memory: Memory) -> Batch:
        http = http.bearing(self.token) if self.token else http
        listings, warnings, failures = list[Listing](), list[str](), 0
        linked = [(paper, _REPOSITORY.fullmatch(paper.links["code"])) for paper in memory.known]
        for paper, repository in [(paper, found) for paper, found in linked if found][: self.most]:
            try:
                stars = {"stars": self._stars(http, *repository.groups())}
                listings.append(replace(paper, source=self.name, signals=stars))
                failures = 0
            except (SourceError, Unusable) as error:
                failures += 1
                warnings.append(str(error))
                if failures == _ENOUGH:
                    break
        if warnings and not listings:
            raise SourceError(warnings[0], name=self.name)
        return Batch(tuple(listings), news=False, complete=failures < _ENOUGH, warnings=tuple(warnings))

    def _stars(self, http: Http, owner: str, name: str) -> float:
        accept = "application/vnd.github+json"
        try:
            answer = http.get(f"{self.url}/repos/{owner}/{name}", accept=accept, internal=self.internal)
        except SourceError as error:
            if error.status == 404:  # removed, or not public yet
                return 0.0
            raise
        return float(max(0, part(loaded(answer, dict, "answer of GitHub"), "stargazers_count", int)))


SOURCE = GithubStarsSource
