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


def mount(web: "FastAPI", app: "App", pages: Pages) -> None:
    """Nothing where there are no curators."""
    curation = app.curation

    def page(wrong: str = "", status: int = 200, who: str = "", paper: str = "", card: Card | None = None) -> Response:
        return pages.page("curate.html", status, wrong=wrong, who=who, paper=paper, card=card)

    def form() -> Response:
        return page()

    def picked(request: Request, form: Typed) -> Response:
        name, paper = form.one("curator"), form.one("paper").strip()
        try:
            if not curation.proven(name, form.one("secret"), pages.client(request)):
                return page("That name and secret do not belong together.", 403, name, paper)
        except Busy as error:
            return page(f"{error}; try again in ten minutes.".capitalize(), 429, name, paper)
        if not paper:
            return page("Say which paper: its arXiv id, DOI or address.", 422, name)
        try:
            return page(who=name, card=curation.pick(paper[:500], name, form.one("note")[:NOTE]))
        except NotFound as error:
            return page(str(error), 404, name, paper)
        except SourceError:
            return page("arXiv does not answer now; try again in a while.", 503, name, paper)

    if curation.secrets:
        web.add_api_route("/curate", form, methods=["GET", "HEAD"])
        web.add_api_route("/curate", picked, methods=["POST"])
