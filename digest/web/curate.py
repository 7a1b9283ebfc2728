"""The page where named curators pick papers. A pick carries the curator's secret, so no other site can forge one."""

from typing import TYPE_CHECKING

from fastapi import Request, Response

from digest.errors import Busy, NotFound, SourceError
from digest.model import Card
from digest.web.pages import Pages, Typed

if TYPE_CHECKING:
    from fastapi import FastAPI

    from digest.app import App

NOTE = 300


class Curators:
    def __init__(self, app: "App", pages: Pages) -> None:
        self.curation, self.pages = app.curation, pages

    def mount(self, web: "FastAPI") -> None:
        if self.curation.secrets:
            web.add_api_route("/curate", self.form, methods=["GET", "HEAD"])
            web.add_api_route("/curate", self.picked, methods=["POST"])

    def form(self) -> Response:
        return self._page()

    def picked(self, request: Request, form: Typed) -> Response:
        name, paper = form.one("curator"), form.one("paper").strip()
        try:
            if not self.curation.proven(name, form.one("secret"), self.pages.client(request)):
                return self._page("That name and secret do not belong together.", 403, name, paper)
        except Busy as error:
            return self._page(f"{error}; try again in ten minutes.".capitalize(), 429, name, paper)
        if not paper:
            return self._page("Say which paper: its arXiv id, DOI or address.", 422, name)
        try:
            return self._page(who=name, card=self.curation.pick(paper[:500], name, form.one("note")[:NOTE]))
        except NotFound as error:
            return self._page(str(error), 404, name, paper)
        except SourceError:
            return self._page("arXiv does not answer now; try again in a while.", 503, name, paper)

    def _page(
        self, wrong: str = "", status: int = 200, who: str = "", paper: str = "", card: Card | None = None
    ) -> Response:
        return self.pages.page("curate.html", status, wrong=wrong, who=who, paper=paper, card=card)
