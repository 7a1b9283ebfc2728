from dataclasses import replace
from datetime import date, timedelta
from email import message_from_bytes, policy
from itertools import chain, pairwise
from threading import Thread

import pytest
from factories import NOW, batch, listing

from digest.catalog import consents
from digest.errors import AddressError, BadLink, CatalogError, DigestError, NotFound
from digest.links import Purpose
from digest.model import WELCOME, Cadence, Interest, Outcome, Phase, Schedule, Standing, Steering
from digest.services.subscriptions import KEPT, Proof

PROOF = Proof("192.0.2.1", "Browser", "http://127.0.0.1:8000/", "I want mail.")
WEEKLY = Schedule(Cadence.WEEKLY, 8, "Europe/Berlin", (5,))


def ask(app, address="ada@example.org", interest=None, proof=PROOF):
    app.subscriptions.request(address, interest or Interest(texts=("retrieval",)), WEEKLY, proof)


def mails(app):
    return [
        message_from_bytes(p.read_bytes(), policy=policy.default) for p in app.settings.file("outbox").glob("new/*")
    ]


def token(mail, way="confirm"):
    text = mail.get_body(("plain",)).get_content()
    return next(word.rpartition("/")[2].rstrip(".") for word in text.split() if f"/{way}/" in word)


@pytest.fixture
def confirmation(app):
    ask(app)
    assert app.subscriptions.post(app.transport) == 1
    return token(mails(app)[0])


def reader(app, address="ada@example.org"):
    return app.catalog.subscribers.by_address(address)


def test_nobody_is_subscribed_before_confirming(app, confirmation):
    assert reader(app) is None
    app.subscriptions.confirm(confirmation, PROOF)
    assert reader(app).standing is Standing.ACTIVE
    assert (reader(app).schedule, reader(app).interest.texts) == (WEEKLY, ("retrieval",))


def test_confirming_owes_a_welcome_at_once_and_then_the_usual_turns(app, confirmation, clock):
    app.subscriptions.confirm(confirmation, PROOF)
    (due,) = app.catalog.subscribers.due(clock(), 1, 99)
    assert due.turn.label == WELCOME


def test_confirming_twice_is_harmless(app, confirmation):
    for _ in range(2):
        app.subscriptions.confirm(confirmation, PROOF)
    assert len(app.catalog.subscribers.all()) == 1
    assert [event["event"] for event in app.catalog.consents.history(reader(app).public_id)] == [
        "requested",
        "confirmed",
    ]


def test_a_used_link_does_not_bring_back_who_has_left(app, confirmation):
    app.subscriptions.confirm(confirmation, PROOF)
    app.subscriptions.leave(app.links.sign(Purpose.UNSUBSCRIBE, reader(app).public_id))
    with pytest.raises(BadLink):  # so that no page says welcome
        app.subscriptions.confirm(confirmation, PROOF)
    assert reader(app).standing is Standing.LEFT


def test_the_proof_of_consent_says_what_was_agreed_to_where_when_and_by_whom(app, confirmation):
    app.subscriptions.confirm(confirmation, replace(PROOF, ip="192.0.2.9"))
    requested, confirmed = app.catalog.consents.history(reader(app).public_id)
    assert requested["proof"]["wording"] == "I want mail."
    assert (requested["at"], requested["proof"]["ip"], confirmed["proof"]["ip"]) == (NOW, "192.0.2.1", "192.0.2.9")


def test_a_confirmation_link_expires_after_three_days(app, confirmation, clock):
    clock.forward(days=3, minutes=1)
    with pytest.raises(BadLink) as caught:
        app.subscriptions.confirm(confirmation, PROOF)
    assert caught.value.expired


def test_the_confirmation_mail_has_no_one_click_header_and_nothing_the_requester_typed(app):
    ask(app, interest=Interest(texts=("buy cheap pills",)))
    app.subscriptions.post(app.transport)
    (mail,) = mails(app)
    assert mail["List-Unsubscribe"] is None
    assert "pills" not in mail.as_string()
    assert "/never/" in mail.get_body(("plain",)).get_content()


def test_two_hundred_requests_for_one_address_make_at_most_three_mails_a_day(app, clock):
    spellings = ["ada@example.org", "ADA@example.org", "a.d.a@example.org", "ada+x@EXAMPLE.org"]

    def flood(offset):
        for n in range(25):
            ask(app, spellings[(n + offset) % 4], proof=replace(PROOF, ip=f"198.51.100.{n}"))

    threads = [Thread(target=flood, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(20):
        app.subscriptions.post(app.transport)
        clock.forward(minutes=11)
        ask(app)
    assert len(mails(app)) == 3


def test_one_network_gets_at_most_twenty_mails_an_hour(app):
    for n in range(25):
        ask(app, f"reader{n}@example.org", proof=replace(PROOF, ip=f"2001:db8::{n:x}"))
    assert app.subscriptions.post(app.transport) == 20


def test_all_together_have_a_limit_too(make_app):
    app = make_app("sign_up: {total_hour: 5}\n")
    for n in range(9):
        ask(app, f"reader{n}@example.org", proof=replace(PROOF, ip=f"192.0.2.{n}"))
    assert app.subscriptions.post(app.transport) == 5
    assert any("4 requests to subscribe got no mail" in problem for problem in app.doctor.problems())


def test_who_never_wants_mail_is_never_written_to_again(app, confirmation, clock):
    app.subscriptions.never(token(mails(app)[0], "never"))
    with pytest.raises(BadLink):
        app.subscriptions.confirm(confirmation, PROOF)
    clock.forward(days=2)
    ask(app)
    assert app.subscriptions.post(app.transport) == 0
    with pytest.raises(DigestError, match="must not be written to"):
        app.subscriptions.add("ada@example.org", Interest(), WEEKLY, "she said so")


def test_it_is_never_too_late_to_refuse(app, confirmation, clock):
    clock.forward(days=60)
    assert app.subscriptions.tidy() == 1
    app.subscriptions.never(token(mails(app)[0], "never"))
    ask(app)
    assert app.subscriptions.post(app.transport) == 0


def test_a_flood_of_requests_has_an_end_and_what_was_refused_is_soon_forgotten(app, clock, monkeypatch):
    monkeypatch.setattr(consents, "WAITING", 3)
    for n in range(3):
        ask(app, proof=replace(PROOF, ip=f"192.0.2.{n}"))
    with pytest.raises(CatalogError, match="3 requests to subscribe are waiting"):
        ask(app)
    assert app.subscriptions.post(app.transport) == 1
    clock.forward(days=2)
    assert app.subscriptions.tidy() == 2, "the one that was mailed can still be confirmed"


def test_a_form_proves_when_it_was_asked_for(app, clock):
    token = app.subscriptions.form_token()
    clock.forward(hours=2)
    assert app.subscriptions.form_age(token) == timedelta(hours=2)
    assert app.subscriptions.form_token(token) == token
    clock.forward(days=1)
    assert app.subscriptions.form_age(token) is None
    assert app.subscriptions.form_token(token) != token
    assert app.subscriptions.form_age("nonsense") is None


def test_unconfirmed_requests_are_forgotten(app, confirmation, clock):
    clock.forward(days=KEPT.days + 1)
    assert app.subscriptions.tidy() == 1


def test_an_impossible_address_is_refused_at_once(app):
    with pytest.raises(AddressError, match="@"):
        ask(app, "ada")


def test_leaving_is_idempotent_and_total(app):
    ada = app.subscriptions.add("ada@example.org", Interest(), WEEKLY, "asked")
    leave = app.links.sign(Purpose.UNSUBSCRIBE, ada.public_id)
    for _ in range(2):
        app.subscriptions.leave(leave)
    assert reader(app).standing is Standing.LEFT
    app.subscriptions.erase(ada)
    app.subscriptions.leave(leave)
    app.subscriptions.leave(app.links.sign(Purpose.UNSUBSCRIBE, "nobody"))


def test_a_link_for_one_purpose_does_nothing_else(app):
    ada = app.subscriptions.add("ada@example.org", Interest(), WEEKLY, "asked")
    with pytest.raises(BadLink):
        app.subscriptions.leave(app.links.sign(Purpose.PREVIEW, ada.public_id))
    with pytest.raises(BadLink):
        app.subscriptions.preferences(app.links.sign(Purpose.UNSUBSCRIBE, ada.public_id))
    assert reader(app).standing is Standing.ACTIVE


def test_preferences_change_schedule_interest_and_the_next_turn(app, clock):
    ada = app.subscriptions.add("ada@example.org", Interest(), WEEKLY, "asked", after=clock())
    daily = Schedule(hour=9)
    app.subscriptions.set(ada, replace(ada, interest=Interest(texts=("x",)), schedule=daily, count=5))
    assert (reader(app).schedule, reader(app).count) == (daily, 5)
    assert app.catalog.subscribers.next_due() == daily.next(NOW).due


def test_a_pause_ends_by_itself_without_making_up_for_the_turns_between(app, clock):
    ada = app.subscriptions.add("ada@example.org", Interest(), Schedule(), "asked", after=clock())
    steering, until = Steering(explore=3), (NOW + timedelta(days=10)).date()
    app.subscriptions.set(ada, replace(ada, count=5, paused_until=until, minimum=2, steering=steering))
    assert app.catalog.subscribers.due_chunks(NOW + timedelta(days=9), 10) == []
    clock.forward(days=10)
    assert app.subscriptions.wake() == 1
    assert reader(app).standing is Standing.ACTIVE
    assert (reader(app).count, reader(app).minimum, reader(app).steering) == (5, 2, steering)
    assert app.catalog.subscribers.next_due() > clock()


@pytest.mark.parametrize(("zone", "hour"), [("America/Los_Angeles", 19), ("Pacific/Auckland", 7)])
def test_the_first_mail_after_a_pause_is_that_of_its_last_day_where_the_subscriber_lives(app, clock, zone, hour):
    ada = app.subscriptions.add("ada@example.org", Interest(), Schedule(hour=hour, zone=zone), "asked", after=clock())
    app.subscriptions.set(ada, replace(ada, paused_until=date(2026, 1, 20)))
    while not app.subscriptions.wake():
        clock.forward(minutes=30)
    assert app.catalog.subscribers.turn(ada.id).label == "2026-01-20"


@pytest.mark.sqlite
def test_erasing_leaves_no_trace_of_the_address_in_the_database(app, confirmation):
    app.subscriptions.confirm(confirmation, PROOF)
    app.subscriptions.erase(reader(app))
    app.catalog.store.engine.dispose()  # the last connection writes the log back into the file
    files = [path.read_bytes() for path in app.catalog.store.path.parent.glob("subscribers.db*")]
    assert files
    assert not any(b"ada@example" in content for content in files)


def test_signing_up_again_changes_the_interests_of_who_is_subscribed_already(app, confirmation, clock):
    app.subscriptions.confirm(confirmation, PROOF)
    chosen = replace(reader(app), count=5, steering=Steering(explore=3), interest=Interest(exclusions=("bats",)))
    app.subscriptions.set(reader(app), chosen)
    before = reader(app)
    clock.forward(hours=1)
    ask(app, interest=Interest(texts=("robots",)))
    app.subscriptions.post(app.transport)
    app.subscriptions.confirm(max(map(token, mails(app)), key=lambda t: t != confirmation), PROOF)
    after = reader(app)
    assert after == replace(before, interest=Interest(texts=("robots",), exclusions=("bats",))), (
        "the form shows no more"
    )


def test_topics_are_found_by_name_or_slug_and_the_rest_is_free_text(app):
    interest, unknown = app.subscriptions.interest(["Retrieval", " robots ", "protein folding", ""])
    assert (list(interest.topics), interest.texts, unknown) == ([1, 2], ("protein folding",), ["protein folding"])


def test_an_unknown_subscriber_is_named(app):
    with pytest.raises(NotFound, match=r"bob@example\.org"):
        app.subscriptions.find("bob@example.org")


def test_an_export_holds_all_that_is_known_of_a_person(app):
    ada = app.subscriptions.add("ada@example.org", Interest({1: 1.0}), WEEKLY, "asked")
    app.catalog.papers.take("arxiv", batch(listing(title="Owls at night")), NOW)
    app.catalog.votes.put(ada.id, [1], -1, "mail", NOW)
    export = app.subscriptions.exported(ada)
    assert (export["address"], export["topics"]) == ("ada@example.org", ["Retrieval"])
    assert export["consents"][0]["proof"] == {"reason": "asked"}
    assert export["votes"] == [{"paper": 1, "title": "Owls at night", "value": -1, "at": NOW, "origin": "mail"}]


class Line:
    """A transport that says what it is told to."""

    def __init__(self, *says):
        self.says, self.mails = list(says), []

    def deliver(self, mails):
        for mail in mails:
            self.mails.append(mail.recipient)
            yield Outcome(mail.id, *(self.says.pop(0) if self.says else (Phase.FINAL, 250, "ok")))


def ask_many(app, number):
    for n in range(number):
        ask(app, f"reader{n}@example.org", proof=replace(PROOF, ip=f"192.0.2.{n}"))


def test_a_confirmation_that_may_have_arrived_is_not_sent_again(app, clock):
    ask(app)
    line = Line((Phase.FINAL, 0, "the connection was lost"))
    for _ in range(50):
        app.subscriptions.post(line)
        clock.forward(minutes=6)
    assert line.mails == ["ada@example.org"]


def test_one_address_that_is_deferred_does_not_hold_up_the_others(app, clock):
    ask_many(app, 3)
    line = Line((Phase.RCPT, 450, "4.2.1 greylisted"))
    assert app.subscriptions.post(line) == 2
    assert app.subscriptions.post(line) == 0, "a moment later it would hear the same"
    clock.forward(minutes=5)
    assert app.subscriptions.post(line) == 1
    assert line.mails == ["reader0@example.org", "reader1@example.org", "reader2@example.org", "reader0@example.org"]


def test_what_was_announced_when_the_server_went_down_is_sent_later(app, clock):
    class Eager(Line):
        def deliver(self, mails):
            for mail, _ahead in pairwise(chain(super().deliver(mails), [None])):
                yield mail

    ask_many(app, 3)
    assert app.subscriptions.post(Eager((Phase.FINAL, 421, "4.3.2 shutting down"))) == 0
    clock.forward(minutes=5)
    assert app.subscriptions.post(Line()) == 3


def test_a_wrong_password_loses_no_request_and_pauses(app):
    ask_many(app, 3)
    line = Line((Phase.HELLO, 535, "5.7.8 bad credentials"))
    assert app.subscriptions.post(line) == 0
    assert "535" in app.catalog.deliveries.paused()
    assert app.subscriptions.post(line) == 0, "paused means that nothing leaves"
    app.catalog.deliveries.resume()
    assert app.subscriptions.post(line) == 2, "the first one again after a while"


def test_a_letter_that_cannot_be_printed_leaves_its_request_in_the_queue(app, monkeypatch):
    ask(app)
    with monkeypatch.context() as broken:
        broken.setattr(app.printing, "signed", lambda message, date: {}["key"])
        with pytest.raises(KeyError):
            app.subscriptions.post(app.transport)
    assert app.subscriptions.post(app.transport) == 1


def test_an_address_beyond_ascii_gets_its_mail_and_stands_in_nobodys_way(app):
    ask(app, "grüße@bücher.example", proof=replace(PROOF, ip="192.0.2.7"))
    ask(app)
    assert app.subscriptions.post(app.transport) == 2
    found = sorted((app.settings.file("outbox") / "new").iterdir())
    assert any("To: grüße@xn--bcher-kva.example\r\n".encode() in path.read_bytes() for path in found)


def test_a_new_schedule_does_not_take_away_the_welcome_nor_a_turn_that_is_due(app, clock):
    ada = app.subscriptions.add("ada@example.org", Interest(), Schedule(), "asked")
    app.subscriptions.set(ada, replace(ada, schedule=WEEKLY))
    assert app.catalog.subscribers.turn(ada.id).label == WELCOME
    bob = app.subscriptions.add("bob@example.org", Interest(), Schedule(), "asked", after=clock())
    clock.forward(days=1)
    app.subscriptions.set(bob, replace(bob, schedule=WEEKLY))
    assert app.catalog.subscribers.turn(bob.id).label == "2026-01-17"


def test_confirming_a_second_request_does_not_take_away_the_welcome(app, confirmation, clock):
    clock.forward(minutes=11)
    ask(app)
    app.subscriptions.post(app.transport)
    for mail in mails(app):
        app.subscriptions.confirm(token(mail), PROOF)
    assert app.catalog.subscribers.turn(reader(app).id).label == WELCOME


def test_an_import_does_not_bring_back_who_has_left(app):
    ada = app.subscriptions.add("ada@example.org", Interest(), WEEKLY, "asked")
    app.subscriptions.leave(app.links.sign(Purpose.UNSUBSCRIBE, ada.public_id))
    with pytest.raises(DigestError, match="has left"):
        app.subscriptions.add("ada@example.org", Interest(), WEEKLY, "the list of last year")
    assert reader(app).standing is Standing.LEFT


def test_nobody_is_subscribed_whose_proof_cannot_be_written(app, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(app.catalog.consents, "record", lambda *_: {}["disk"])
        with pytest.raises(KeyError):
            app.subscriptions.add("ada@example.org", Interest(), WEEKLY, "asked")
    assert reader(app) is None
    ada = app.subscriptions.add("ada@example.org", Interest(), WEEKLY, "asked")
    assert [proof["event"] for proof in app.catalog.consents.history(ada.public_id)] == ["operator"]


def test_an_import_changes_nothing_for_who_is_subscribed_already(app, clock):
    ada = app.subscriptions.add("ada@example.org", Interest(), WEEKLY, "asked")
    app.subscriptions.set(ada, replace(ada, paused_until=clock().date() + timedelta(days=9), count=3))
    before = reader(app)
    with pytest.raises(DigestError, match="subscribed already"):
        app.subscriptions.add("ada@example.org", Interest(), Schedule(), "asked again")
    assert (reader(app), before.standing) == (before, Standing.PAUSED)


def test_leaving_in_the_moment_preferences_are_saved_wins(app, monkeypatch):
    ada = app.subscriptions.add("ada@example.org", Interest(), WEEKLY, "asked")
    app.subscriptions.leave(app.links.sign(Purpose.UNSUBSCRIBE, ada.public_id))
    app.subscriptions.set(ada, replace(ada, schedule=Schedule()))
    assert reader(app).standing is Standing.LEFT


def test_never_again_holds_for_a_subscriber_whose_request_was_tidied_away(app, confirmation, clock):
    app.subscriptions.confirm(confirmation, PROOF)
    clock.forward(days=60)
    app.subscriptions.tidy()
    app.subscriptions.never(token(mails(app)[0], "never"))
    assert reader(app).standing is Standing.LEFT
