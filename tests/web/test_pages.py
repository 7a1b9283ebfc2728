"""What each page shows and does."""

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import pytest

from digest import config
from digest.errors import BadLink, CatalogError
from digest.model import Cadence, Interest, Schedule, Standing, Steering
from digest.services.subscriptions import Proof

SIGN_UP = {
    "address": "alice@example.org",
    "topic": ["language-models", "vision"],
    "texts": "small  models\r\n\r\nprotein folding\u202e",
    "cadence": "weekly",
    "day": "4",
    "hour": "9",
    "zone": "europe/berlin",
    "website": "",
    "form": "minute",
}
PREFERENCES = {
    "cadence": "daily",
    "hour": "6",
    "zone": "UTC",
    "count": "5",
    "pause": "",
    "topic": ["vision", "language-models"],
}
GETS = [
    *("/", "/editions", "/editions/2026-02-05", "/editions/2026-02-04", "/healthz", "/robots.txt"),
    *("/assets/style.css", "/assets/zone.js", "/assets/icon.svg"),
    *("/confirm/good", "/never/good", "/never/old", "/preferences/good", "/u/good"),
    *("/papers/7", "/search", "/search?q=attention", "/search?q=nothing", "/vote/good/7"),
    *("/vote/good/7/up", "/vote/good/7/down", "/vote/good/7/none"),
]
TOKENS = ["/confirm/{}", "/never/{}", "/preferences/{}", "/u/{}", "/vote/{}/7/up"]


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


# ---------------------------------------------------------------- looking


@pytest.mark.parametrize("path", GETS)
def test_looking_changes_nothing(web, acts, path):
    first, again, head = web.get(path), web.get(path), web.head(path)
    assert first.status_code == again.status_code == head.status_code == 200
    assert first.text == again.text
    assert not acts


@pytest.mark.parametrize("path", [*GETS, "/u/bad", "/nowhere"])
@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH"])
def test_other_methods_change_nothing(web, acts, path, method):
    assert web.request(method, path).status_code in (404, 405)
    assert not acts


@pytest.mark.parametrize("path", [path for path in GETS if "." not in path and path != "/healthz"])
def test_every_page_has_a_language_a_title_one_heading_and_labels(web, path):
    tags = Tags(web.get(path).text).tags
    labelled = {attrs.get("for") for tag, attrs in tags if tag == "label"}
    assert ("html", {"lang": "en"}) in tags
    assert [tag for tag, _ in tags].count("h1") == 1
    for tag, attrs in tags:
        if tag in ("textarea", "select") or (tag == "input" and "id" in attrs):
            assert attrs["id"] in labelled


@pytest.mark.parametrize("path", GETS)
def test_pages_load_and_run_nothing_of_others_and_nothing_inline(web, path):
    for tag, attrs in Tags(web.get(path).text).tags:
        loaded = attrs.get("src") or (attrs.get("href") if tag == "link" and attrs.get("rel") != "canonical" else "")
        assert (loaded or "/").startswith("/")
        assert tag not in ("style", "iframe")
        assert not any(name == "style" or name.startswith("on") for name in attrs)


def test_strangers_titles_are_shown_as_text(web, hostile):
    page = web.get("/editions").text
    assert hostile not in page
    assert "{{ 7*7 }}" in page
    assert "alert(1)" not in str(Tags(page).tags)


def test_links_that_are_not_http_are_left_out(app, web):
    edition = app.publish.by_day[date(2026, 2, 3)]
    card = replace(edition[0].candidate.card, links=(("abstract", "javascript:alert(1)"),))
    edition[0] = replace(edition[0], candidate=replace(edition[0].candidate, card=card))
    assert "javascript:" not in web.get("/editions/2026-02-03").text


def test_an_edition_shows_its_papers_and_leads_to_its_neighbours(web):
    page = web.get("/editions/2026-02-04").text
    assert "Wednesday, 4 February 2026" in page
    assert "quiet day" in page
    assert 'href="/editions/2026-02-03"' in page
    assert 'href="/editions/2026-02-05"' in page
    page = web.get("/editions/2026-02-03").text
    assert "Ada Lovelace, Emmy Noether, Sofya Kovalevskaya and 2 more" in page
    assert "48 upvotes in 18 h" in page
    assert "https://arxiv.org/pdf/2602.00" in page


def test_without_a_day_the_newest_edition_is_shown(web):
    assert web.get("/editions").text == web.get("/editions/2026-02-05").text


@pytest.mark.parametrize("day", ["2026-02-06", "yesterday", "9" * 5000, "2026-02-30"])
def test_an_edition_that_does_not_exist_is_not_found(web, day):
    assert web.get(f"/editions/{day}").status_code == 404


def test_before_the_first_edition_one_can_subscribe_already(app, web):
    app.publish.by_day.clear()
    assert "current edition" not in web.get("/").text
    assert web.get("/editions").status_code == 404


def test_under_a_path_of_the_base_url_links_keep_it(app, serving):
    app.publication = replace(app.publication, base_url="https://example.org/digest")
    with serving(app) as web:
        tags = Tags(web.get("/").text).tags
    assert ("form", {"method": "post", "action": "/digest/"}) in tags
    assert all(a["href"].startswith(("/digest/", "http", "#")) for tag, a in tags if tag in ("a", "link"))


def test_a_file_beside_the_configuration_replaces_one_of_ours(app, serving, tmp_path):
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "asked.html").write_text("Ours now")
    app.templates = (tmp_path, *app.templates)
    with serving(app) as web:
        assert web.post("/", data=SIGN_UP).text == "Ours now"
        assert web.get("/").status_code == 200


def test_health_is_a_number_for_strangers(app, web):
    assert web.get("/healthz").json() == {"status": "ok", "problems": 0}
    app.problems.append("/srv/outbox cannot be written")
    answer = web.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"status": "trouble", "problems": 1})


# ---------------------------------------------------------------- papers and votes


def test_a_paper_has_a_page_with_links_signals_and_papers_like_it(web, hostile):
    page = web.get("/papers/7").text
    assert 'href="https://arxiv.org/pdf/2602.07"' in page
    assert "48 upvotes" in page
    assert 'href="/papers/8"' in page
    assert hostile not in page
    assert "<form" not in page, "who votes has a link of their own"
    assert web.get("/papers/10.1000/7").text == page


@pytest.mark.parametrize("path", ["/papers/8", "/papers/" + "9" * 5000, "/papers/owls", "/vote/good/8/up"])
def test_a_paper_that_does_not_exist_is_not_found(web, path):
    assert web.get(path).status_code == 404


def test_a_search_that_finds_nothing_says_what_may_have_been_meant(web, hostile):
    assert 'href="/search?q=attention"' in web.get("/search?q=atention").text
    assert hostile not in web.get("/search", params={"q": hostile}).text
    assert 'href="/papers/8"' in web.get("/search?q=attention").text


@pytest.mark.parametrize("way", ["up", "down", "none"])
def test_a_vote_takes_a_click_on_the_one_button(web, acts, way):
    page = web.get(f"/vote/good/7/{way}").text
    assert page.count("<button") == 1
    assert "Attention is mostly" in page
    assert "<script" not in page
    assert not acts
    assert web.post(f"/vote/good/7/{way}").status_code == 200
    assert acts == [("vote", "7", {"up": 1, "down": -1, "none": 0}[way], "mail")]


def test_after_a_vote_one_may_undo_it_or_vote_the_other_way(web):
    page = web.post("/vote/good/7/up").text
    assert 'action="/vote/good/7/none"' in page
    assert 'action="/vote/good/7/down"' in page


def test_a_subscriber_votes_while_browsing(web, acts):
    page = web.get("/vote/good/7").text
    assert 'href="/vote/good/8"' in page
    assert 'action="/vote/good/7/none"' in page, "it was voted up before"
    web.post("/vote/good/7/down", data={"page": "1"})
    assert acts == [("vote", "7", -1, "page")]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_there_is_no_third_way_to_vote(web, acts, method):
    assert web.request(method, "/vote/good/7/sideways").status_code == 404
    assert not acts


# ---------------------------------------------------------------- subscribing


def test_a_sign_up_is_handed_over_as_it_was_meant(web, acts):
    assert web.post("/", data=SIGN_UP, headers={"user-agent": "Test/1 " + "x" * 999}).status_code == 200
    [(what, address, interest, schedule, proof)] = acts
    assert (what, address) == ("request", "alice@example.org")
    assert interest == Interest({1: 1.0, 2: 1.0}, ("small models", "protein folding"))
    assert schedule == Schedule(Cadence.WEEKLY, 9, "Europe/Berlin", (4,))
    assert isinstance(proof, Proof)
    assert proof.form_url == "https://news.example.org/"
    assert proof.user_agent.startswith("Test/1")
    assert len(proof.user_agent) == 300
    assert proof.wording in web.get("/").text


def test_only_an_address_is_needed_beside_what_the_form_starts_with(web, acts):
    fields = {"address": "a@example.org", "cadence": "daily", "hour": "6", "zone": "Europe/Paris", "form": "minute"}
    assert web.post("/", data=fields).status_code == 200
    assert acts[0][2:4] == (Interest(), Schedule(Cadence.DAILY, 6, "Europe/Paris"))


def test_the_form_starts_with_the_operators_hour_and_zone(web):
    page = web.get("/").text
    assert '<option value="6" selected>06:00</option>' in page
    assert 'value="Europe/Paris" required' in page


def test_every_address_gets_the_same_answer(web):
    addresses = ["alice@example.org", "bob+tag@example.net", "ünï@exämple.org"]
    answers = [web.post("/", data=SIGN_UP | {"address": address}) for address in addresses]
    assert len({(a.status_code, a.content, tuple(a.headers.items())) for a in answers}) == 1


def test_who_fills_the_field_that_nobody_sees_gets_the_same_answer_and_no_mail(web, acts):
    answer, trapped = web.post("/", data=SIGN_UP), web.post("/", data=SIGN_UP | {"website": "https://spam.example"})
    assert (trapped.content, trapped.headers) == (answer.content, answer.headers)
    assert len(acts) == 1


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("address", "alice", "has no @"),
        ("address", " ", "Please type the address"),
        ("zone", "Mars/Base", "no such time zone"),
        ("hour", "24", "hour between"),
        ("cadence", "hourly", "how often"),
        ("day", "8", "day of the week"),
        ("texts", "x" * 301, "every line below 300"),
        ("texts", "one\n" * 6, "5 lines"),
    ],
)
def test_what_cannot_be_read_is_named_and_everything_typed_is_kept(web, acts, field, typed, said):
    answer = web.post("/", data=SIGN_UP | {"address": "me@example.net", "zone": "Asia/Kolkata", field: typed})
    tags = Tags(answer.text).tags
    assert answer.status_code == 422
    assert said in answer.text.replace("&#39;", "'")
    assert 'role="alert"' in answer.text
    assert not acts
    assert ("input", {"type": "checkbox", "name": "topic", "value": "vision", "checked": None}) in tags
    kept = {attrs["name"]: attrs.get("value") for tag, attrs in tags if tag == "input" and "id" in attrs}
    assert kept == {"address": "me@example.net", "zone": "Asia/Kolkata"} | ({field: typed} if field in kept else {})


@pytest.mark.parametrize(("token", "said"), [("second", "fast"), ("old", "open for long"), ("", "open for long")])
def test_a_form_that_nobody_can_have_filled_in_is_to_be_sent_once_more(web, acts, token, said):
    answer = web.post("/", data=SIGN_UP | {"form": token})
    assert (answer.status_code, acts) == (422, [])
    assert said in answer.text
    (again,) = [attrs["value"] for tag, attrs in Tags(answer.text).tags if attrs.get("name") == "form"]
    assert 'value="alice@example.org"' in answer.text
    assert again == (token or "minute")


def test_certain_days_need_at_least_one(web, acts):
    chosen = SIGN_UP | {"cadence": "weekdays"}
    assert "at least one day" in web.post("/", data=chosen).text
    assert web.post("/", data=chosen | {"days": ["5", "1"]}).status_code == 200
    assert acts[0][3].days == (1, 5)


def test_what_was_typed_is_shown_as_text(web, hostile):
    answer = web.post("/", data=SIGN_UP | {"address": hostile, "texts": "</textarea>" + hostile, "zone": hostile})
    assert answer.status_code == 422
    assert "<img" not in answer.text
    assert "<script>" not in answer.text


def test_confirming_takes_a_click_and_keeps_a_proof_without_the_token(web, acts):
    page = web.get("/confirm/good").text
    assert "alice@example.org" not in page
    assert not acts
    assert web.post("/confirm/good").status_code == 200
    [(what, proof)] = acts
    assert what == "confirm"
    assert proof.form_url == "https://news.example.org/confirm"
    assert proof.wording in page


def test_an_expired_confirmation_says_what_to_do(web):
    answer = web.get("/confirm/old")
    assert answer.status_code == 404
    assert "expired" in answer.text


@pytest.mark.parametrize("token", ["good", "old"])
def test_one_may_always_ask_never_to_be_written_to(web, acts, token):
    assert "<button>" in web.get(f"/never/{token}").text
    assert web.post(f"/never/{token}").status_code == 200
    assert acts == [("never",)]


# ---------------------------------------------------------------- preferences


def test_preferences_show_what_is_set_and_mask_the_address(web):
    page = web.get("/preferences/good").text
    assert "alice@example.org" not in page
    assert "@example.org" in page
    assert '<option value="3" selected>Wednesday</option>' in page
    assert '<option value="9" selected>09:00</option>' in page
    assert "proteins</textarea>" in page


def test_saving_hands_over_everything_and_keeps_what_the_form_does_not_show(web, acts):
    answer = web.post("/preferences/good", data=PREFERENCES | {"texts": "robots", "pause": "2026-03-01"})
    assert answer.status_code == 200
    assert "Saved." in answer.text
    [(_, changed)] = acts
    assert changed.interest.topics == {1: 2.5, 2: 1.0}
    assert changed.interest.texts == ("robots",)
    assert changed.interest.keywords == ("kept",)
    assert changed.interest.exclusions == ("blockchain",)
    assert (changed.schedule, changed.count, changed.minimum) == (Schedule(Cadence.DAILY, 6), 5, 1)
    assert changed.paused_until == date(2026, 3, 1)
    assert changed.steering == Steering()


def test_a_subscriber_steers_follows_and_mutes(web, acts):
    typed = {
        "mine": "0.5",
        "trending": "2",
        "explore": "3",
        "least": "0,25",
        "quota": "2",
        "languages": "EN, de",
        "events": "yes",
    }
    lists = {"authors": "Ada Lovelace\r\nAlan Turing\n\n", "exclusions": "cs.CV; blockchain", "keywords": ""}
    web.post("/preferences/good", data=PREFERENCES | typed | lists | {"minimum": "2"})
    [(_, changed)] = acts
    assert changed.steering == Steering(0.5, 2.0, 3, 0.25, 2, ("en", "de"), events=True)
    assert changed.interest.authors == ("Ada Lovelace", "Alan Turing")
    assert changed.interest.exclusions == ("cs.CV", "blockchain")
    assert changed.interest.keywords == ()
    assert changed.minimum == 2


def test_what_is_steered_by_elsewhere_stays_when_the_page_is_saved(app, web, acts):
    steering = Steering(1.25, 0.0, 0, 0.1, 4, ("fr",))
    app.subscriptions.subscriber = replace(app.subscriptions.subscriber, steering=steering, minimum=3)
    fields = {}
    for tag, attrs in Tags(web.get("/preferences/good").text).tags:
        kind = attrs.get("type")
        if tag == "input" and "name" in attrs and (kind not in ("radio", "checkbox") or "checked" in attrs):
            fields[attrs["name"]] = attrs["value"]
    assert web.post("/preferences/good", data=fields | {"hour": "9", "day": "3"}).status_code == 200
    assert (acts[0][1].steering, acts[0][1].minimum) == (steering, 3)


def test_a_topic_that_is_no_longer_offered_stays_ticked(app, web, acts):
    interest = Interest({1: 2.5, 99: 1.0})
    app.subscriptions.subscriber = replace(app.subscriptions.subscriber, interest=interest)
    web.post("/preferences/good", data=PREFERENCES)
    assert acts[0][1].interest.topics[99] == 1.0


def test_pasted_papers_are_counted_and_the_unknown_told(web, acts, hostile):
    page = web.post("/preferences/good", data=PREFERENCES | {"likes": "2601.00001", "forget": "1"}).text
    assert acts[1:] == [("reset",), ("like", "2601.00001")]
    assert "not in our catalog" in page
    assert "arXiv is asked about 1" in page
    assert hostile not in page
    assert 'href="/vote/good/7"' in page


def test_an_empty_pause_is_none(web, acts):
    web.post("/preferences/good", data=PREFERENCES)
    assert acts[0][1].paused_until is None


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        *(("count", "0"), ("count", "31"), ("count", "many"), ("pause", "soon"), ("zone", "")),
        *(("least", "nan"), ("mine", "-1"), ("trending", "lots"), ("explore", "1.5"), ("quota", "9" * 5000)),
        *(
            ("minimum", "6"),
            ("languages", "english"),
            ("events", "sometimes"),
            ("authors", "x" * 101),
            ("keywords", ";".join(map(str, range(51)))),
        ),
    ],
)
def test_preferences_that_cannot_be_read_are_not_saved(web, acts, field, typed):
    answer = web.post("/preferences/good", data=PREFERENCES | {field: typed})
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert "Saved." not in answer.text
    assert not acts


def test_who_is_followed_cannot_be_muted_at_once(web, acts):
    page = web.post("/preferences/good", data=PREFERENCES | {"authors": "Ada Lovelace", "exclusions": "ada lovelace"})
    assert "You follow Ada Lovelace and leave them out" in page.text
    assert not acts


def test_who_has_left_is_told_so(app, web):
    app.subscriptions.subscriber = replace(app.subscriptions.subscriber, standing=Standing.LEFT)
    assert "has ended" in web.get("/preferences/good").text


# ---------------------------------------------------------------- leaving

BODIES = {
    "urlencoded": {"data": {"List-Unsubscribe": "One-Click"}},
    "multipart": {"files": {"List-Unsubscribe": (None, "One-Click")}},
    "empty": {},
    "chunked": {"content": [b"List-", b"Unsubscribe=One-Click"]},
    "broken multipart": {
        "content": b"--x\r\nbroken",
        "headers": {"content-type": "multipart/form-data; boundary=x; charset=\0"},
    },
    "no boundary": {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
    "json": {"json": {"junk": [1, 2]}},
    "bytes": {"content": b"\xff\xfe\x00", "headers": {"content-type": b"\xff"}},
}


@pytest.mark.parametrize("body", BODIES)
def test_one_click_ends_the_subscription_whatever_the_body(web, acts, body):
    answer = web.post("/u/good", **BODIES[body])
    assert answer.status_code == 200
    assert "You are unsubscribed" in answer.text
    assert "set-cookie" not in answer.headers
    assert acts == [("leave",)]


def test_leaving_twice_is_fine(web):
    assert [web.post("/u/good").status_code for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("path", TOKENS)
@pytest.mark.parametrize("token", ["bad", "goof", "Good", "good%00", "%ff", "good%20", "x" * 9000, "%F0%9F%92%A9"])
def test_a_link_that_is_not_ours_gets_one_and_the_same_page(web, acts, method, path, token):
    answer = web.request(method, path.format(token), data=PREFERENCES if method == "POST" else None)
    assert answer.status_code == 404
    assert answer.text == web.request(method, "/u/another").text
    assert not acts


@pytest.mark.parametrize("path", [path.format("good") for path in TOKENS])
def test_a_write_that_fails_is_told_and_worth_another_try(app, web, path):
    app.subscriptions.failing = CatalogError("the database is locked: /srv/subscribers.db")
    answer = web.post(path, data=PREFERENCES)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert "/srv" not in answer.text


def test_a_bug_is_told_without_its_words_and_goes_on_to_the_log(app, serving):
    app.subscriptions.failing = RuntimeError("secret")
    with serving(app, raise_server_exceptions=False) as web:
        answer = web.post("/u/good")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "content-security-policy" in answer.headers
    with serving(app) as web, pytest.raises(RuntimeError, match="secret"):
        web.post("/u/good")


def test_links_work_for_whoever_was_erased_meanwhile(app, web):
    def gone(_):
        raise BadLink

    app.subscriptions.preferences = gone
    assert web.get("/preferences/good").status_code == 404
    assert web.post("/u/good").status_code == 200


def test_nothing_here_answers_with_a_redirect(web):
    for path in ["/%2F%2Fevil.example", "/u/good/", "/editions/", "/confirm/good?next=https://evil.example"]:
        for method in ("GET", "POST"):
            answer = web.request(method, path, headers={"host": "evil.example"})
            assert answer.status_code in (200, 404, 405)
            assert "location" not in answer.headers
            assert "evil.example" not in answer.text


def test_many_topics_stand_under_their_fields_and_those_with_a_tick_are_open(app, web, monkeypatch):
    monkeypatch.setattr(app.subscriptions, "topics", config.library)
    page = web.get("/").text
    assert page.count('name="topic"') == len(config.library())
    assert page.count("<details") == len({topic.field for topic in config.library()})
    assert '<details class="field-of" open>' not in page
    again = web.post("/", data={"topic": ["quantum-computing"]}).text  # without an address it comes back
    assert re.findall(r'<details class="field-of" open>\s*<summary>(\w+)', again) == ["Physics"]
