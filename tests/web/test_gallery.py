"""The page beside the editor of templates."""

import os
import shutil
import signal
import threading
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest
from conftest import CONFIG
from factories import batch, listing
from starlette.testclient import TestClient
from typer.testing import CliRunner

from digest.cli import cli
from digest.web.gallery import Asked, Gallery, pages, serve


@pytest.fixture
def gallery(make_app, clock):
    """Two editions; the second has a paper more."""
    app = make_app()
    for n, title in enumerate(("Dense retrieval", "Grasping <b>robots</b>")):
        app.catalog.papers.take(f"s{n}", batch(listing(title=title, announced=clock())), clock())
        app.publish.open()
        clock.forward(days=1)
    return Gallery(app)


class Loads(HTMLParser):
    """What a page asks its browser to fetch, and its frames."""

    def __init__(self, page):
        super().__init__()
        self.loads: list[str | None] = []
        self.frames: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        self.loads += [said[name] for name in ("src", "action", "background", "poster") if name in said]
        self.loads += [said["href"]] if tag == "link" else []
        self.frames += [str(said["srcdoc"])] if tag == "iframe" else []


def test_the_page_has_the_mail_as_it_would_be_sent_and_needs_nothing_else(gallery):
    found = gallery.app.publish.preview(gallery.app.publish.anybody(gallery.app.subscriptions.interest(["robots"])[0]))
    page = gallery.page(Asked(topics="robots"))
    assert Loads(page).loads == ["data:,"]
    assert "<script" not in page
    assert "@import" not in page
    assert len(Loads(page).frames) == 4
    night = found.parts.html.replace("@media (prefers-color-scheme: dark)", "@media all")
    assert night in Loads(page).frames
    shown = unescape(page)
    assert found.parts.text in shown
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in shown
    assert all(reason in shown for item in found.items for reason in item.reasons)


def test_it_says_what_is_new_against_the_edition_before(gallery):
    page = unescape(gallery.page(Asked()))
    assert "Against 2026-01-16" in page
    assert "+ Grasping <b>robots</b>" in page
    assert "+ Dense retrieval" not in page
    assert "There is none" in gallery.page(Asked(edition="2026-01-16"))


def test_a_broken_template_is_named_on_the_page_and_nobody_is_unknown_in_silence(gallery, tmp_path):
    own = tmp_path / "templates" / "email" / "digest" / "body.mjml"
    own.parent.mkdir(parents=True)
    shutil.copy(gallery.app.templates[1] / "email" / "digest" / "body.mjml", own)
    before = gallery.state()
    own.write_text(own.read_text("utf-8").replace("{{ lead }}", "{{ leed }}"), "utf-8")
    assert gallery.state() != before
    page = unescape(gallery.page(Asked()))
    assert f"{own}:8: unknown variable leed" in page
    assert "1 errors" in page
    assert "nobody@example.org" in gallery.page(Asked(who="nobody@example.org"))
    assert "'today' is no date; write 2026-01-16" in unescape(gallery.page(Asked(edition="today")))


def test_what_cannot_be_read_in_the_query_is_as_if_not_said():
    assert Asked.of({"count": "many", "topics": " a "}) == Asked(topics="a")
    assert Asked.of({"count": "999"}).count == 30


@pytest.fixture
def web(gallery):
    with TestClient(pages(gallery), base_url="http://127.0.0.1:8000") as client:
        yield client


def test_the_server_makes_the_page_anew_and_tells_when_to_load_it_again(web, gallery):
    page = web.get("/?topics=robots&count=1").text
    assert 'value="robots"' in page
    assert "1 papers of 2" in page
    assert web.get("/state").text == gallery.state()
    assert gallery.state() in page


def test_the_server_answers_only_who_meant_it(web):
    assert web.get("/state", headers={"host": "evil.example.org"}).status_code == 400
    assert web.get("/etc/passwd").status_code == 404


def test_it_is_served_on_loopback_until_stopped(gallery):
    def ask_and_stop(url):
        def asked():
            answers.append(httpx2.get(f"{url}state", trust_env=False).text)
            os.kill(os.getpid(), signal.SIGINT)

        asking.append(threading.Thread(target=asked))
        asking[0].start()

    answers, asking = [], []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            serve(gallery, ask_and_stop)
    finally:
        signal.signal(signal.SIGINT, before)
    asking[0].join()
    assert answers == [gallery.state()]


def test_the_command_writes_the_page_to_a_file(gallery, tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    asked = [
        "--config",
        str(tmp_path / "config.yaml"),
        "--now",
        "2026-01-17T08:00:00Z",
        "preview",
        "--gallery",
        "--html",
    ]
    said = CliRunner().invoke(cli, [*asked, str(tmp_path / "gallery.html")])
    assert said.exit_code == 0
    assert said.stdout == f"wrote {tmp_path / 'gallery.html'}\n"
    assert "Grasping" in Path(tmp_path / "gallery.html").read_text("utf-8")
