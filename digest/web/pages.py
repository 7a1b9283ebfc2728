"""The routes. GET shows, POST acts (mail scanners follow every link), and one handler is one service call."""

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qs, urlsplit

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException as HTTPError
from starlette.requests import ClientDisconnect

from digest.delivery.address import masked
from digest.errors import AddressError, BadLink, CatalogError, NotFound
from digest.model import MOST_PAPERS, Interest, Schedule, Subscriber
from digest.rendering import words
from digest.rendering.colour import readable
from digest.rendering.page import card
from digest.services import forms
from digest.services.forms import Form
from digest.services.profiles import VALUES
from digest.services.subscriptions import Proof
from digest.web import guard

if TYPE_CHECKING:
    from digest.app import App

ASKING = "Send me {name} by mail at the times I chose. Every mail has a link to leave with one click."
CONFIRMING = "Yes, send me {name}."

_ASSETS = {"style.css": "text/css", "zone.js": "text/javascript", "icon.svg": "image/svg+xml"}
_HIDDEN = ("u", "confirm", "never", "preferences", "vote", "search")
_ROBOTS = "User-agent: *\n" + "".join(f"Disallow: /{part}\n" for part in _HIDDEN)


async def typed(request: Request) -> Form:
    """The form that a request sent; empty for a body of another kind."""
    body = (await request.body()).decode("utf-8", "replace")
    return Form(parse_qs(body, keep_blank_values=True, errors="replace"))


Typed = Annotated[Form, Depends(typed)]


class Pages:
    """Handlers are plain functions, so they run in the thread pool: the database blocks."""

    def __init__(self, app: "App") -> None:
        self.publication, self.settings = app.publication, app.settings
        self.subscriptions, self.publish, self.doctor = app.subscriptions, app.publish, app.doctor
        self.library, self.profiles = app.library, app.profiles
        self.root = urlsplit(app.publication.base_url).path  # a proxy may serve us under a path, which it strips
        folders = [folder / "web" for folder in app.templates]
        self.templates = Environment(
            loader=FileSystemLoader(folders),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        filters = {"card": card, "clean": words.clean, "long": long, "masked": masked, "readable": readable}
        self.templates.filters |= filters
        self.templates.globals |= {"publication": app.publication, "root": self.root, "DAYS": words.DAYS}

    def mount(self, web: FastAPI) -> None:
        """Every route and every error page onto *web*."""
        shown: dict[str, Callable[..., Response]] = {
            "/": self.home,
            "/confirm/{token}": self.confirm,
            "/never/{token}": self.never,
            "/preferences/{token}": self.preferences,
            "/u/{token}": self.leave,
            "/editions": self.edition,
            "/editions/{day}": self.edition,
            "/papers/{name:path}": self.paper,
            "/search": self.search,
            "/vote/{token}/{name}": self.reader,
            "/vote/{token}/{name}/{way}": self.ballot,
            "/assets/{name}": self.asset,
            "/robots.txt": self.robots,
            "/healthz": self.health,
        }
        done: dict[str, Callable[..., Response]] = {
            "/": self.asked,
            "/confirm/{token}": self.confirmed,
            "/never/{token}": self.nevermore,
            "/preferences/{token}": self.changed,
            "/u/{token}": self.left,
            "/vote/{token}/{name}/{way}": self.voted,
        }
        for path, show in shown.items():
            web.add_api_route(path, show, methods=["GET", "HEAD"])
        for path, act in done.items():
            web.add_api_route(path, act, methods=["POST"])
        for error in (HTTPError, BadLink, NotFound, CatalogError, ClientDisconnect, Exception):
            web.add_exception_handler(error, self.trouble)

    def page(self, name: str, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Response:
        return HTMLResponse(self.templates.get_template(name).render(values), status, headers)

    def client(self, request: Request) -> str:
        """Whose request this is."""
        return request.client.host if request.client else ""

    # ------------------------------------------------------------ subscribing

    def home(self) -> Response:
        start = self.settings.sign_up
        return self._form(Form.of((), Subscriber(schedule=Schedule(hour=start.hour, zone=str(start.zone)))))

    def _form(self, form: Form, status: int = 200) -> Response:
        sample, topics = self.publish.page(None), self.subscriptions.topics()
        consent = ASKING.format(name=self.publication.name)
        shown: dict[str, Any] = {"topics": topics, "sample": sample, "consent": consent, "zones": forms.zone_names()}
        token = self.subscriptions.form_token(form.one("form"))
        return self.page("home.html", status, form=form, token=token, **shown)

    def asked(self, request: Request, form: Typed) -> Response:
        """One answer whoever asks (REQ-26)."""
        form.filled(self.subscriptions.form_age(form.one("form")))
        address, schedule = form.address(), form.schedule()
        interest = form.interest(self.subscriptions.topics(), Interest())
        if not form.errors and not form.one("website"):  # nobody sees that field; only machines fill it
            try:
                self.subscriptions.request(address, interest, schedule, self._proof(request, ASKING))
            except AddressError as error:
                form.errors["address"] = str(error)
        return self._form(form, 422) if form.errors else self.page("asked.html")

    def _proof(self, request: Request, wording: str) -> Proof:
        """What the consent record keeps (REQ-18); the form by its kind, since a path may carry a token."""
        form_url = f"{self.publication.base_url}/{request.scope['path'].split('/')[1]}"
        agent, said = request.headers.get("user-agent", "")[:300], wording.format(name=self.publication.name)
        return Proof(self.client(request), agent, form_url, said)

    def confirm(self, token: str) -> Response:
        address = self.subscriptions.confirmable(token).address
        consent = CONFIRMING.format(name=self.publication.name)
        return self.page("confirm.html", address=address, consent=consent, done=False)

    def confirmed(self, request: Request, token: str, _: Typed) -> Response:
        self.subscriptions.confirm(token, self._proof(request, CONFIRMING))
        return self.page("confirm.html", done=True)

    def never(self, token: str) -> Response:
        self.subscriptions.refusable(token)
        return self.page("never.html", done=False)

    def nevermore(self, token: str, _: Typed) -> Response:
        self.subscriptions.never(token)
        return self.page("never.html", done=True)

    # ------------------------------------------------------------ changing and leaving

    def preferences(self, token: str) -> Response:
        return self._preferences(token)

    def _preferences(self, token: str, form: Form | None = None, **outcome: Any) -> Response:
        subscriber, topics = self.subscriptions.preferences(token), self.subscriptions.topics()
        form = form or Form.of(topics, subscriber)
        shown: dict[str, Any] = {"topics": topics, "zones": forms.zone_names(), "most": MOST_PAPERS}
        shown |= {"subscriber": subscriber, "form": form, "votes": self.profiles.votes(subscriber)}
        shown |= {"saved": False, "pasted": None} | outcome
        return self.page("preferences.html", 422 if form.errors else 200, **shown)

    def changed(self, token: str, form: Typed) -> Response:
        subscriber = self.subscriptions.preferences(token)
        wanted = form.preferences(self.subscriptions.topics(), subscriber)
        if form.errors:
            return self._preferences(token, form)
        self.subscriptions.set(subscriber, wanted)
        if form.one("forget"):
            self.profiles.reset(subscriber)
        return self._preferences(token, saved=True, pasted=self.profiles.like(subscriber, form.one("likes")))

    def leave(self, token: str) -> Response:
        self.subscriptions.may_leave(token)
        return self.page("leave.html", done=False)

    def left(self, token: str, _: Typed) -> Response:
        """RFC 8058: whatever the body says, the subscription ends now (REQ-11)."""
        self.subscriptions.leave(token)
        return self.page("leave.html", done=True)

    # ------------------------------------------------------------ reading

    def edition(self, day: str | None = None) -> Response:
        try:
            wanted = date.fromisoformat(day) if day else None
        except ValueError:
            raise HTTPException(404) from None
        edition = self.publish.page(wanted)
        if edition is None:
            raise HTTPException(404)
        return self.page("edition.html", edition=edition)

    def paper(self, name: str) -> Response:
        return self.page("paper.html", found=self.library.page(name), links=f"{self.root}/papers", value=None)

    def search(self, q: str = "") -> Response:
        return self.page("search.html", query=words.clean(q), found=self.library.search(q))

    # ------------------------------------------------------------ voting

    def reader(self, token: str, name: str) -> Response:
        """A paper for a subscriber, who can vote on it and go on to others."""
        value = self.profiles.ballot(token, name).value
        return self.page("paper.html", found=self.library.page(name), links=f"{self.root}/vote/{token}", value=value)

    def ballot(self, token: str, name: str, way: str, *, done: bool = False) -> Response:
        if way not in VALUES:
            raise HTTPException(404)
        paper = self.profiles.ballot(token, name).card
        return self.page("vote.html", paper=paper, way=way, links=f"{self.root}/vote/{token}/{paper.paper}", done=done)

    def voted(self, token: str, name: str, way: str, form: Typed) -> Response:
        if way in VALUES:
            self.profiles.vote(token, name, VALUES[way], "page" if form.one("page") else "mail")
        return self.ballot(token, name, way, done=True)

    # ------------------------------------------------------------ all else

    def asset(self, name: str) -> Response:
        if name not in _ASSETS:
            raise HTTPException(404)
        return Response(self.templates.get_template(name).render(), media_type=_ASSETS[name])

    def robots(self) -> Response:
        return PlainTextResponse(_ROBOTS)

    def health(self) -> Response:
        """How many problems, not which: strangers ask too, and `digest status` tells the operator."""
        problems = len(self.doctor.problems())
        return JSONResponse({"status": "trouble" if problems else "ok", "problems": problems}, 503 if problems else 200)

    def trouble(self, request: Request, error: Exception) -> Response:
        """An error as a page. After a bug the error itself goes on to the log."""
        status, extra = 500, {}
        match error:
            case BadLink() | NotFound():
                status = 404
            case CatalogError():
                status, extra = 503, {"retry-after": "60"}
            case ClientDisconnect():
                status = 400
            case HTTPError():
                status, extra = error.status_code, dict(error.headers or {})
        extra |= guard.headers(request.scope["path"], request.method, status)  # a bug's page is made outside the guard
        return self.page("trouble.html", status, extra, code=status, expired=getattr(error, "expired", False))


def long(day: date) -> str:
    """`Thursday, 5 February 2026`"""
    return words.headline(day.isoformat(), day)
