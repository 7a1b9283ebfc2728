"""From a sign-up on the real page to leaving in one click, through the real services and a real outbox."""

import re
import shutil
import subprocess
import time
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from threading import Thread

import pytest
import uvicorn
from factories import NOW, batch, listing
from sqlalchemy import inspect
from starlette.testclient import TestClient

from digest import schedule
from digest.model import Interest, Standing
from digest.web import create

CHROMIUM = [
    *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--dump-dom"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--virtual-time-budget=60000"),
]
FORM = {"address": "ada@example.org", "topic": "retrieval", "texts": "", "cadence": "daily", "hour": "7", "zone": "UTC"}


@pytest.fixture
def site(app):
    with TestClient(create(app), base_url="http://127.0.0.1:8000", follow_redirects=False) as client:
        yield client


def filled(site, clock):
    """The form of the front page, filled in as fast as a person can."""
    token = re.search(r'name="form" value="([^"]+)"', site.get("/").text)[1]
    clock.forward(seconds=3)
    return FORM | {"form": token}


def collect(app, title="Dense retrieval for long documents", abstract="We rank passages with dense retrieval."):
    paper = listing(title=title, abstract=abstract, announced=app.clock())
    app.catalog.papers.take("arxiv", batch(paper), app.clock())


def mails(app):
    """Everything in the outbox, in the order of delivery."""
    found = sorted(app.settings.file("outbox").glob("new/*"), key=lambda path: path.stat().st_mtime_ns)
    return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in found]


def links(mail):
    """Every address of ours in a mail."""
    bodies = "".join(part.get_content() for part in mail.iter_parts())
    return sorted(set(re.findall(r"http://127\.0\.0\.1:8000[^\s\"<>]*", bodies + str(mail["List-Unsubscribe"]))))


def path(url):
    return url.removeprefix("http://127.0.0.1:8000")


def dump(app):
    with app.catalog.store.engine.connect() as db:
        tables = inspect(db).get_table_names()
        return {name: list(map(tuple, db.exec_driver_sql(f"SELECT * FROM {name}"))) for name in tables}


@pytest.fixture
def subscribed(app, site):
    """Ada, who signed up and confirmed and has had her welcome."""
    collect(app)
    assert site.post("/", data=filled(site, app.clock)).status_code == 200
    schedule.tick(app)
    (asked,) = mails(app)
    confirm = next(url for url in links(asked) if "/confirm/" in url)
    assert site.get(path(confirm)).status_code == 200
    assert app.catalog.subscribers.all() == [], "looking does not confirm"
    assert site.post(path(confirm)).status_code == 200
    schedule.tick(app)
    return mails(app)[-1]


def ada(app):
    return app.catalog.subscribers.by_address("ada@example.org")


def test_a_sign_up_confirmed_by_mail_brings_a_welcome_with_papers_and_reasons(subscribed, app):
    assert ada(app).standing is Standing.ACTIVE
    text = subscribed.get_body(("plain",)).get_content()
    assert "Dense retrieval" in text
    assert "Retrieval" in text


def test_looking_at_every_link_of_a_mail_twice_changes_nothing(subscribed, app, site):
    before = dump(app)
    for url in links(subscribed) * 2:
        assert site.get(path(url)).status_code == 200, url
        assert site.head(path(url)).status_code in (200, 405), url
    assert dump(app) == before


def test_a_vote_from_the_mail_changes_what_the_next_one_picks_and_can_be_undone(subscribed, app, site, clock):
    (up,) = {path(url) for url in links(subscribed) if url.endswith("/up")}
    clock.forward(days=1)
    about = ("Grasping with two hands", "Passages in long documents, found by dense vectors", "Dwarf galaxies")
    for title in about:
        collect(app, title, f"A study: {title.lower()}.")
    app.publish.open(wait=False)
    reader = app.subscriptions.find("ada@example.org")
    app.subscriptions.set(reader, replace(reader, interest=Interest(keywords=("galaxies",))))

    def first():
        items = app.publish.preview(app.subscriptions.find("ada@example.org")).items
        return [(item.candidate.card.title, item.reasons) for item in items]

    before = first()
    assert [title for title, _ in before] == [about[2]]
    assert site.post(up).status_code == 200
    assert {title for title, _ in first()} == {about[1], about[2]}
    assert any(why.startswith("you voted for papers on") for why in dict(first())[about[1]])
    assert site.post(up.replace("/up", "/none")).status_code == 200
    assert first() == before


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
def test_a_scanner_that_runs_a_browser_on_the_vote_links_votes_for_nothing(subscribed, app, tmp_path):
    ways = {f"/vote/{url.split('/vote/')[1]}" for url in links(subscribed) if "/vote/" in url}
    assert {way.rpartition("/")[2] for way in ways} == {"up", "down"}
    before, server = dump(app), uvicorn.Server(uvicorn.Config(create(app), port=0, log_level="error"))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    (port,) = {at.getsockname()[1] for one in server.servers for at in one.sockets}
    try:
        for way in ways:
            page = subprocess.run(
                [*CHROMIUM, f"--user-data-dir={tmp_path / 'browser'}", f"http://127.0.0.1:{port}{way}"],
                capture_output=True, text=True, timeout=120, check=True,
            )  # fmt: skip
            assert "like this?" in page.stdout
    finally:
        server.should_exit = True
        thread.join()
    assert dump(app) == before


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"List-Unsubscribe": "One-Click"}},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
        {},
    ],
    ids=["urlencoded", "multipart", "empty"],
)
def test_one_click_ends_the_subscription_and_the_next_edition_leaves_the_reader_out(subscribed, app, site, clock, body):
    answer = site.post(path(subscribed["List-Unsubscribe"].strip("<>")), **body)
    assert (answer.status_code, answer.headers.get("set-cookie"), answer.headers.get("location")) == (200, None, None)
    assert ada(app).standing is Standing.LEFT
    before = len(mails(app))
    clock.forward(days=1)
    collect(app, "Another one about retrieval")
    schedule.tick(app)
    assert len(mails(app)) == before


def test_every_day_brings_new_papers_once(subscribed, app, clock):
    for day in range(1, 4):
        clock.now = NOW + timedelta(days=day)
        collect(app, f"Retrieval, part {day}")
        schedule.tick(app)
        schedule.tick(app)
    turns = [mail.get_body(("plain",)).get_content().count("Retrieval, part") for mail in mails(app)[2:]]
    assert turns == [1, 1, 1]


def test_the_preferences_page_changes_what_comes_next(subscribed, app, site):
    page = path(next(url for url in links(subscribed) if "/preferences/" in url))
    assert "a…a@example.org" in site.get(page).text
    answer = site.post(page, data=FORM | {"topic": "robots", "cadence": "weekly", "day": "3", "count": "5"})
    assert answer.status_code == 200
    assert (ada(app).schedule.days, ada(app).count, list(ada(app).interest.topics)) == ((3,), 5, [2])


def test_two_hundred_sign_ups_for_one_address_get_the_same_answer_and_one_mail(app, site):
    form = filled(site, app.clock)
    answers = {site.post("/", data=form).content for _ in range(200)}
    schedule.tick(app)
    assert len(answers) == 1
    assert len(mails(app)) == 1
