import re
import shutil
import signal
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from datetime import timedelta
from functools import partial
from hashlib import sha256

import pytest
from factories import NOW, as_before, batch, candidate, card, listing, pick

from digest import config
from digest.app import App
from digest.catalog import Catalog, tables
from digest.catalog.deliveries import Composed
from digest.delivery.journal import Journal
from digest.delivery.pace import Lanes, WarmUp
from digest.errors import Busy, CatalogError, ConfigError, NotFound, TemplateError, TransportError
from digest.links import Purpose
from digest.model import Digest, Interest, Outcome, Phase, Schedule, Skipped, Standing, State
from digest.services.deliver import _Run

OK = (Phase.FINAL, 250, "2.0.0 ok")
DOWN = (Phase.CONNECT, 0, "connection refused")


class Line:
    """A transport that says what it is told to, and remembers what it saw."""

    def __init__(self, *says):
        self.says, self.mails, self.before = list(says), [], lambda mail: None

    def deliver(self, mails):
        for mail in mails:
            self.before(mail)
            self.mails.append(mail)
            yield Outcome(mail.id, *(self.says.pop(0) if self.says else OK))


class Killed(BaseException):
    """As SIGKILL: nothing of ours runs any more."""


@pytest.fixture
def line(app):
    app.transport = Line()
    return app.transport


def readers(app, number):
    return [
        app.catalog.subscribers.by_address(address := f"reader{n}@example.org")
        or app.subscriptions.add(address, Interest(), Schedule(), "asked", after=NOW)
        for n in range(number)
    ]


@pytest.fixture
def owed(app):
    """A function that composes one digest for each of n readers."""

    def owe(number=3, turn="2026-01-16"):
        app.catalog.papers.take("arxiv", batch(listing(), listing()), NOW)
        app.catalog.editions.open(NOW.date(), NOW, [candidate(0, card(1)), candidate(1, card(2))], {})
        template = app.printing.stationery("digest").hash
        rows = [
            Digest(
                0,
                r.id,
                turn,
                1,
                (pick(0), pick(1)),
                template,
                f"{r.id}.{turn}@example.org",
                NOW,
                NOW + timedelta(days=1),
            )
            for r in readers(app, number)
        ]
        app.catalog.deliveries.add([Composed(row, Schedule().next(NOW)) for row in rows])

    return owe


def states(app):
    return {state: number for state, number in app.catalog.deliveries.counts().items() if number}


def test_every_pending_digest_goes_out_once_and_the_run_is_finished(app, line, owed):
    owed(3)
    report = app.deliver.deliver()
    assert (report.ended, report.open) == (Counter({State.SENT: 3}), 0)
    assert app.deliver.deliver().ended == Counter()
    assert len(line.mails) == 3


def test_nothing_pending_makes_no_connection(app):
    app.transport = None
    assert app.deliver.deliver().open == 0


def test_the_ledger_keeps_the_hash_of_what_was_handed_over_and_can_make_it_again(app, line, owed):
    owed(1)
    app.deliver.deliver()
    (row,) = app.catalog.deliveries.of()
    again = app.printing.message(row.digest, app.catalog.subscribers.get(1))
    assert row.sha256 == sha256(line.mails[0].message).hexdigest() == sha256(again).hexdigest()


def test_what_was_skipped_has_no_message_to_be_made_again(app, owed):
    owed(1)
    row = Digest(0, 1, "2026-01-17", 1, (), "", "m@example.org", NOW, NOW)
    app.catalog.deliveries.add([Composed(row, Schedule().next(NOW), Skipped.NOTHING_NEW)])
    with pytest.raises(NotFound, match="delivery 2 has no message: it was skipped \\(nothing-new\\)"):
        app.printing.again(app.catalog.deliveries.get(2))


def test_the_return_path_says_whose_bounce_it_would_be(app, line, owed):
    owed(1)
    app.deliver.deliver()
    token = line.mails[0].sender.partition("@")[0].removeprefix("b+")
    assert app.links.read_return(token) == 1


def test_who_leaves_while_the_run_goes_on_gets_nothing_more(app, line, owed, monkeypatch):
    owed(5)
    monkeypatch.setattr("digest.services.deliver.FRESH", 0)

    def leave(mail):
        if not line.mails:
            app.subscriptions.leave(app.links.sign(Purpose.UNSUBSCRIBE, app.catalog.subscribers.get(4).public_id))

    line.before = leave
    assert app.deliver.deliver().ended == Counter({State.SENT: 4, State.SUPPRESSED: 1})
    assert app.catalog.subscribers.get(4).standing is Standing.LEFT


def test_a_suppressed_address_gets_nothing_even_if_its_subscription_came_back(app, line, owed):
    owed(2)
    app.catalog.consents.suppress(app.links.fingerprint("reader0@example.org"), "complained", NOW)
    app.deliver.deliver()
    assert [mail.recipient for mail in line.mails] == ["reader1@example.org"]
    assert [row.reason for row in app.catalog.deliveries.of(state=State.SUPPRESSED)] == ["complained"]


def test_a_temporary_refusal_is_tried_again_later_with_the_same_message(app, line, owed, clock):
    owed(1)
    line.says = [(Phase.RCPT, 450, "4.2.1 greylisted")]
    assert app.deliver.deliver().ended == Counter({State.PENDING: 1})
    assert app.deliver.deliver().ended == Counter()
    clock.forward(minutes=2)
    assert app.deliver.deliver().ended == Counter({State.SENT: 1})
    assert line.mails[0].message == line.mails[1].message


def test_what_is_refused_until_its_deadline_expires(app, line, owed, clock):
    owed(1)
    line.says = [(Phase.RCPT, 451, "try later")] * 100
    for _ in range(30):
        app.deliver.deliver()
        clock.forward(hours=1)
    assert states(app) == {State.EXPIRED: 1}


def test_an_unknown_address_fails_and_is_never_mailed_again(app, line, owed):
    owed(1)
    line.says = [(Phase.RCPT, 550, "5.1.1 no such user")]
    app.deliver.deliver()
    assert states(app) == {State.FAILED: 1}
    assert app.catalog.consents.suppressed(app.links.fingerprint("reader0@example.org"))


def test_a_mailbox_that_is_full_on_five_days_is_given_up_as_if_it_had_bounced(app, line, owed, clock):
    mark = app.links.fingerprint("reader0@example.org")
    for day in range(5):
        assert not app.catalog.consents.suppressed(mark)
        owed(1, turn=f"2026-01-{16 + day}")
        with app.catalog.store.write() as db:
            db.execute(tables.digests.update().values(deadline=clock() + timedelta(days=1)))
        line.says = [(Phase.RCPT, 552, "5.2.2 mailbox full")]
        app.deliver.deliver()
        clock.forward(days=1)
    assert app.catalog.consents.suppressed(mark) == "refused: 552 at rcpt: 5.2.2 mailbox full"


def test_what_a_relay_refuses_because_of_us_is_told_by_domain(app, line, owed):
    owed(2)
    line.says = [(Phase.RCPT, 550, "5.7.1 blocked")] * 2
    app.deliver.deliver()
    assert "example.org refused 2 messages" in "".join(app.doctor.problems())


def test_a_server_that_cannot_be_reached_stops_the_run_and_loses_nobody(app, line, owed, clock):
    owed(5)
    line.says = [DOWN]
    report = app.deliver.deliver()
    assert "refused" in report.stopped
    assert (states(app), len(line.mails)) == ({State.PENDING: 5}, 1)
    clock.forward(minutes=1)
    assert app.deliver.deliver().ended == Counter({State.SENT: 5})


def test_a_refused_login_pauses_until_somebody_resumes(app, line, owed):
    owed(3)
    line.says = [(Phase.HELLO, 535, "5.7.8 bad credentials")]
    assert "535" in app.deliver.deliver().paused
    assert app.deliver.deliver().ended == Counter()
    app.catalog.deliveries.resume()
    assert app.deliver.deliver().ended == Counter({State.SENT: 3})


def test_twenty_errors_in_a_row_that_are_not_about_the_recipient_pause(app, line, owed):
    owed(30)
    line.says = [(Phase.FINAL, 554, "5.7.1 spam")] * 30
    assert app.deliver.deliver().paused
    assert states(app) == {State.FAILED: 20, State.PENDING: 10}


def test_a_message_that_cannot_be_made_fails_alone(app, line, owed, monkeypatch):
    owed(2)
    outgoing = app.printing.outgoing

    def broken(digest, reader):
        if digest.id == 1:
            raise TemplateError("'nickname' is undefined", file="body.mjml", line=7)
        return outgoing(digest, reader)

    monkeypatch.setattr(app.printing, "outgoing", broken)
    assert app.deliver.deliver().ended == Counter({State.SENT: 1, State.FAILED: 1})
    assert "body.mjml:7" in app.catalog.deliveries.get(1).reason


@pytest.mark.parametrize("ended", [False, True])
def test_killed_between_begin_and_end_only_that_message_is_in_doubt(make_app, app, line, owed, monkeypatch, ended):
    owed(5)
    end = Journal.end

    def die(mail):
        if len(line.mails) == 2 and not ended:
            raise Killed

    def ended_and_died(journal, outcome, *, wait):
        end(journal, outcome, wait=wait)
        if len(line.mails) == 3:
            raise Killed

    line.before = die
    if ended:
        monkeypatch.setattr(Journal, "end", ended_and_died)
    run_until_killed(app)
    monkeypatch.undo()
    later = make_app()
    later.transport = Line()
    report = later.deliver.deliver()
    assert (report.open, report.recovered["to be sent again"]) == (0, not ended)
    assert states(later) == {State.SENT: 5}
    assert len(line.mails + later.transport.mails) == 5  # what is in doubt died before it reached the line's memory


def run_until_killed(app):
    """Without the clean-up that a real kill would not do."""

    def dead(rows, *_):
        if list(rows):
            raise Killed

    catalog = app.catalog.deliveries
    fold, release, catalog.fold, catalog.release = catalog.fold, catalog.release, dead, dead
    with pytest.raises(Killed):
        app.deliver.deliver()
    catalog.fold, catalog.release = fold, release


def test_what_a_provider_calls_a_message_outlives_a_crash_before_the_ledger_knows(app, line, owed):
    owed(1)
    line.says = [(*OK, "0100-1")]
    run_until_killed(app)
    assert not app.catalog.feedback.recipients([], {"0100-1": 0})
    app.deliver.deliver()
    assert app.catalog.feedback.recipients([], {"0100-1": 0})["0100-1"].subscriber == 1


@pytest.mark.sqlite
def test_a_first_run_that_dies_before_its_journal_is_there_is_not_taken_for_a_copy(app, line, owed, monkeypatch):
    def die(*_):
        raise Killed

    owed(2)
    with monkeypatch.context() as patched:
        patched.setattr("digest.delivery.journal.os.replace", die)
        with pytest.raises(Killed):
            app.deliver.deliver()
    assert app.deliver.deliver().paused is None
    assert states(app) == {State.SENT: 2}


def test_on_hold_a_message_in_doubt_waits_for_a_person(make_app, app, line, owed):
    owed(1)
    line.says = [(Phase.FINAL, 0, "connection lost")]
    app.deliver.deliver()
    assert states(app) == {State.UNCERTAIN: 1}
    holding = make_app("delivery: {uncertain: hold}\n")
    holding.transport = Line()
    holding.deliver.deliver()
    assert states(holding) == {State.UNCERTAIN: 1}


@pytest.fixture
def interruptible():
    """Also where the tests run in the background, whose shell has ^C ignored."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


def pressed(mail):
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    time.sleep(0.1)


def broken(mail):
    raise TransportError("the outbox is gone")


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("trouble", "told"), [(pressed, KeyboardInterrupt), (broken, TransportError)])
def test_what_ends_one_connection_ends_the_run_after_the_messages_in_flight(app, line, owed, trouble, told):
    owed(30)
    app.deliver.connections = 3
    line.before = lambda mail: trouble(mail) if mail.id == 1 else time.sleep(0.1)
    with pytest.raises(told):
        app.deliver.deliver()
    assert len(line.mails) < 15
    line.before = lambda mail: None
    app.deliver.deliver()
    assert states(app) == {State.SENT: 30}


def test_what_is_sent_again_is_the_same_message_once_more_and_no_third_time(app, line, owed):
    owed(1)
    line.says = [(Phase.FINAL, 0, "connection lost")] * 3
    for _ in range(3):
        app.deliver.deliver()
    assert len(line.mails) == 2
    assert line.mails[0] == line.mails[1]


def test_the_ledger_keeps_the_hash_of_the_bytes_that_arrived_not_of_those_that_never_left(app, line, owed, monkeypatch):
    owed(1)
    line.says = [DOWN]
    app.deliver.deliver()
    usual = type(app.printing).signed
    monkeypatch.setattr(type(app.printing), "signed", lambda *given: b"X-Mended: yes\r\n" + usual(*given))
    app.deliver.deliver()
    (row,) = app.catalog.deliveries.of()
    assert (row.state, row.sha256) == (State.SENT, sha256(line.mails[1].message).hexdigest())


@pytest.mark.service
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_journals_session_that_the_database_ends_is_told_and_the_next_run_goes_on(app, line, owed, make_app):
    owed(3)

    def cut(mail):
        with app.catalog.store.engine.connect() as db:
            db.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE 'INSERT INTO records%%'"
            )

    line.before = cut
    with pytest.raises(CatalogError, match="run again when it is back"):
        app.deliver.deliver()
    later = make_app()
    later.transport = Line()
    assert later.deliver.deliver().ended[State.SENT] == 3
    assert states(later) == {State.SENT: 3}


def test_an_uncertain_message_that_would_differ_is_held(app, line, owed):
    owed(1)
    line.says = [(Phase.FINAL, 0, "connection lost")]
    app.deliver.deliver()
    with app.catalog.store.engine.connect() as db:
        db.exec_driver_sql("UPDATE digests SET sha256 = 'something else'")
        db.exec_driver_sql("COMMIT")
    assert app.deliver.deliver().ended == Counter({State.UNCERTAIN: 1})
    assert len(line.mails) == 1


def test_no_mail_leaves_without_a_postal_address(app, line, owed):
    owed(1)
    app.deliver.problems = ["publication.postal_address is empty"]
    with pytest.raises(ConfigError, match="postal_address"):
        app.deliver.deliver()
    assert line.mails == []


@pytest.mark.sqlite
def test_two_deliverers_do_not_work_at_once(app, line, owed):
    owed(1)
    with app.catalog.deliveries.lease(), pytest.raises(Busy, match="another process"):
        app.deliver.deliver()


def test_several_connections_share_the_work(make_app, owed):
    app = make_app("delivery: {connections: 4}\n")
    app.transport = Line()
    owed(50)
    assert app.deliver.deliver().ended == Counter({State.SENT: 50})
    assert len({m.recipient for m in app.transport.mails}) == 50


def test_asked_to_stop_it_finishes_the_message_in_flight_and_begins_no_other(app, line, owed):
    owed(5)
    line.before = lambda mail: app.deliver.stop()
    report = app.deliver.deliver()
    assert (report.ended, report.open) == (Counter({State.SENT: 1}), 4)


def test_asked_to_stop_before_a_run_it_begins_none(app, line, owed):
    owed(2)
    app.deliver.stop()
    assert (app.deliver.deliver().open, line.mails) == (2, [])


def test_a_pause_holds_within_a_run(app, line, owed, monkeypatch):
    owed(5)
    monkeypatch.setattr("digest.services.deliver.FRESH", 0)
    line.before = lambda mail: app.catalog.deliveries.pause("look at this", NOW)
    report = app.deliver.deliver()
    assert (report.paused, states(app)) == ("look at this", {State.SENT: 1, State.PENDING: 4})


def test_an_unknown_address_is_told_by_the_message_not_by_who_comes_next(app, line, owed, monkeypatch):
    owed(3)
    monkeypatch.setattr("digest.services.deliver.AHEAD", 1)
    monkeypatch.setattr("digest.services.deliver.FRESH", 0)
    deliver = line.deliver

    def late(mails):
        """Another connection looks at the next readers before this one's reply comes."""
        for outcome in deliver(mails):
            app.readers_now.clear()
            yield outcome

    look = _Run.look

    def looked(run):
        look(run)
        app.readers_now = run.readers

    monkeypatch.setattr(_Run, "look", looked)
    monkeypatch.setattr(line, "deliver", late)
    line.says = [(Phase.RCPT, 550, "5.1.1 no such user")]
    app.deliver.deliver()
    assert app.catalog.consents.suppressed(app.links.fingerprint("reader0@example.org"))


def test_a_database_in_trouble_while_a_message_is_made_fails_nobody(app, line, owed, monkeypatch):
    owed(2)
    outgoing = app.printing.outgoing

    def locked(digest, reader):
        raise CatalogError("the database is locked")

    monkeypatch.setattr(app.printing, "outgoing", locked)
    with pytest.raises(CatalogError):
        app.deliver.deliver()
    monkeypatch.setattr(app.printing, "outgoing", outgoing)
    assert app.deliver.deliver().ended == Counter({State.SENT: 2})


def test_whatever_breaks_a_message_stands_in_nobodys_way_but_twenty_in_a_row_pause(app, line, owed, monkeypatch):
    owed(25)
    monkeypatch.setattr(app.printing, "outgoing", lambda digest, reader: {}["picks"])
    assert "cannot be rendered" in app.deliver.deliver().paused
    assert states(app) == {State.FAILED: 20, State.PENDING: 5}


def test_a_run_that_leaves_a_row_claimed_says_so(app, line, owed, monkeypatch):
    owed(3)
    line.before = lambda mail: app.deliver.stop()
    monkeypatch.setattr(app.catalog.deliveries, "release", lambda ids, worker: None)
    with pytest.raises(CatalogError, match="2 claimed"):
        app.deliver.deliver()


def test_a_turn_long_due_without_a_row_is_told(app, line, clock):
    readers(app, 2)
    clock.forward(days=3)
    assert app.deliver.deliver().overdue == 2
    assert any("2 subscribers" in problem for problem in app.doctor.problems())


def test_a_run_tells_how_far_it_is_and_what_went_wrong_by_kind(app, line, owed, monkeypatch):
    owed(4)
    line.says = [OK, (Phase.RCPT, 450, "4.2.1 <a@b.example> busy"), (Phase.RCPT, 450, "4.2.1 later")]
    now, told = iter(range(100)), []
    monkeypatch.setattr("digest.services.deliver.elapsed", lambda: next(now) / 10)
    report = app.deliver.deliver(lambda report: told.append((report.ended.total(), str(report))))
    assert [done for done, _ in told] == [1, 2, 3, 4]
    assert re.fullmatch(r"3 of 4, \d+/s, 0:00:0\d left, 2 × 450 at rcpt", told[2][1])
    assert report.errors == {"450 at rcpt": 2}


# ---------------------------------------------------------------- a transport that pulls one mail ahead


class Ahead(Line):
    """Has pulled the next mail when it tells of one; remembers what the journal said when data went out."""

    def __init__(self, journals):
        super().__init__()
        self.journals, self.begun = journals, []

    def deliver(self, mails):
        mails = iter(mails)
        mail = next(mails, None)
        while mail:
            self.begun.append([id for id, word in self.journals[-1].replay().items() if word.outcome is None])
            self.mails.append(mail)
            following = next(mails, None)
            self.before(mail)
            yield Outcome(mail.id, *(self.says.pop(0) if self.says else OK))
            mail = following


@pytest.fixture
def ahead(app, monkeypatch):
    journals = []
    monkeypatch.setattr("digest.services.deliver.Journal", lambda log: journals.append(Journal(log)) or journals[-1])
    app.transport = Ahead(journals)
    return app.transport


def test_only_the_message_whose_data_goes_out_is_begun(app, ahead, owed):
    owed(4)
    assert app.deliver.deliver().ended == Counter({State.SENT: 4})
    assert ahead.begun == [[1], [2], [3], [4]]


def test_a_mail_pulled_ahead_is_not_sent_after_a_stop_and_stays_pending(app, ahead, owed):
    owed(4)
    ahead.before = lambda mail: app.deliver.stop()
    report = app.deliver.deliver()
    assert (report.ended, report.open) == (Counter({State.SENT: 1}), 3)
    assert len(ahead.mails) == 1


def test_when_a_mail_pulled_ahead_is_not_sent_the_journal_knows_the_end_of_the_one_before(make_app, app, ahead, owed):
    owed(4)
    ahead.before = lambda mail: app.deliver.stop()
    run_until_killed(app)
    later = make_app()
    later.transport = Line()
    recovered = later.deliver.deliver().recovered
    assert recovered == Counter({"told by the journal": 1, "untouched": 3, "to be sent again": 0})
    assert len(later.transport.mails) == 3


def test_who_leaves_after_their_mail_was_pulled_ahead_does_not_get_it_when_that_was_long_ago(
    app, ahead, owed, monkeypatch
):
    owed(4)
    monkeypatch.setattr("digest.services.deliver.OLDEST", 0)

    def leave(mail):
        if mail.id == 1:
            app.subscriptions.leave(app.links.sign(Purpose.UNSUBSCRIBE, app.catalog.subscribers.get(2).public_id))

    ahead.before = leave
    assert app.deliver.deliver().ended == Counter({State.SENT: 3, State.SUPPRESSED: 1})
    assert [mail.id for mail in ahead.mails] == [1, 3, 4]


@pytest.mark.sqlite
@pytest.mark.parametrize("left", [None, b"", bytes(100)], ids=["gone", "empty", "zeros"])
def test_without_its_journal_all_that_was_claimed_is_in_doubt(app, line, owed, left):
    owed(3)
    app.catalog.deliveries.claim(2, "1", NOW)
    if left is not None:
        app.settings.file("subscribers.journal").write_bytes(left)
    report = app.deliver.deliver()
    assert report.recovered == Counter({"told by the journal": 2, "to be sent again": 2, "untouched": 0})
    assert states(app) == {State.SENT: 3}


# ---------------------------------------------------------------- manners


def test_a_slow_domain_holds_up_no_other_and_is_served_in_the_same_run(app, line, owed, monkeypatch):
    seconds = [0.0]
    monkeypatch.setattr("digest.services.deliver.Lanes", partial(Lanes, now=lambda: seconds[0]))
    monkeypatch.setattr(Lanes, "pause", lambda self: seconds.append(seconds.pop() + 1))
    owed(4)
    with app.catalog.store.write() as db:
        for number in (1, 2):
            slow = {"address": f"x{number}@slow.example"}
            db.execute(tables.subscribers.update().where(tables.subscribers.c.id == number).values(slow))
    app.deliver.domains = {"slow.example": 0.5}
    assert app.deliver.deliver().ended == Counter({State.SENT: 4})
    assert [mail.recipient.partition("@")[2] for mail in line.mails] == [
        "slow.example",
        *["example.org"] * 2,
        "slow.example",
    ]


def test_what_a_domain_cannot_get_soon_is_given_back_for_later(app, line, owed, clock):
    owed(3)
    app.deliver.domains = {"example.org": 0.01}
    report = app.deliver.deliver()
    assert (report.ended, report.open, len(line.mails)) == (Counter({State.SENT: 1}), 2, 1)
    waiting = app.catalog.deliveries.of(state=State.PENDING)
    assert [(row.attempts, row.reason) for row in waiting] == [(0, "example.org gets its mail more slowly")] * 2
    app.deliver.domains = {}
    assert app.deliver.deliver().ended == Counter()
    clock.forward(minutes=4)
    assert app.deliver.deliver().ended == Counter({State.SENT: 2})


def test_a_domain_that_puts_us_off_again_and_again_is_left_alone(app, line, owed, clock):
    owed(6)
    line.says = [(Phase.RCPT, 450, "4.7.1 too fast")] * 6
    assert app.deliver.deliver().ended == Counter({State.PENDING: 3})
    assert len(line.mails) == 3
    line.says = []
    clock.forward(minutes=10)
    assert app.deliver.deliver().ended == Counter({State.SENT: 6})


def test_a_new_sender_sends_no_more_a_day_than_the_ramp_allows(app, line, owed, clock):
    owed(5)
    app.deliver.warm_up = WarmUp(NOW.date(), first=2, growth=1)
    report = app.deliver.deliver()
    assert (report.ended[State.SENT], report.open) == (2, 3)
    assert "warm_up" in report.stopped
    assert app.deliver.deliver().ended == Counter()
    clock.forward(hours=20)
    assert app.deliver.deliver().ended[State.SENT] == 2


def test_what_another_deliverer_sends_counts_for_the_ramp_as_well(app, line, owed, monkeypatch):
    owed(5)
    monkeypatch.setattr("digest.services.deliver.CLAIM", 1)
    app.deliver.warm_up = WarmUp(NOW.date(), first=3, growth=1)
    line.before = lambda mail: line.mails or app.catalog.deliveries.claim(1, "another", NOW)
    report = app.deliver.deliver()
    assert (report.ended[State.SENT], report.open) == (2, 3)
    assert "warm_up" in report.stopped


# ---------------------------------------------------------------- copies, and older states


@pytest.fixture
def delivered(app, line, owed):
    """A database with one day behind it, a backup of that state, and another day after it."""
    owed(2)
    app.deliver.deliver()
    app.catalog.store.backup(app.settings.file("backup.db"))
    owed(2, "2026-01-17")
    app.deliver.deliver()
    app.catalog.store.engine.dispose()
    return app.settings.root


def held(app):
    app.transport = Line()
    first = app.deliver.deliver()
    assert "copy or an older state" in first.paused
    assert app.deliver.deliver().paused
    app.catalog.deliveries.resume()
    return app.deliver.deliver().paused is None


@pytest.mark.sqlite
def test_an_older_state_put_in_the_databases_place_by_hand_is_held(delivered, make_app):
    for file in delivered.glob("subscribers.db-*"):
        file.unlink()
    shutil.copyfile(delivered / "backup.db", delivered / "subscribers.db")
    assert held(make_app())


@pytest.mark.sqlite
def test_a_copy_of_a_database_whose_only_run_was_put_off_is_held(app, line, owed, make_app):
    owed(2)
    line.says = [(Phase.RCPT, 451, "4.7.1 later")] * 2
    app.deliver.deliver()
    app.settings.file("subscribers.journal").unlink()
    assert held(make_app())


@pytest.mark.sqlite
@pytest.mark.parametrize("names", ["subscribers.db", "subscribers.*"], ids=["alone", "with its journal"])
def test_a_copy_elsewhere_is_held(delivered, make_app, tmp_path_factory, names):
    there = tmp_path_factory.mktemp("clone")
    for file in [*delivered.glob(names), *delivered.glob("*.keys"), delivered / "config.yaml"]:
        shutil.copy2(file, there)
    clone = App(config.load(there / "config.yaml"), lambda: NOW)
    assert held(clone)
    clone.catalog.store.engine.dispose()


@pytest.mark.sqlite
def test_a_copy_is_held_even_when_its_first_run_is_killed_before_that_is_written_down(
    delivered, make_app, tmp_path_factory, monkeypatch
):
    there = tmp_path_factory.mktemp("clone")
    for file in [*delivered.glob("subscribers.*"), *delivered.glob("*.keys"), delivered / "config.yaml"]:
        shutil.copy2(file, there)
    clone = App(config.load(there / "config.yaml"), lambda: NOW)
    monkeypatch.setattr(type(clone.catalog.deliveries), "pause", killed)
    with pytest.raises(Killed):
        clone.deliver.deliver()
    monkeypatch.undo()
    assert held(clone)
    clone.catalog.store.engine.dispose()


@pytest.mark.sqlite
def test_without_its_journal_all_is_in_doubt_even_when_the_first_run_is_killed_before_that_is_written_down(
    app, line, owed, monkeypatch
):
    owed(3)
    app.catalog.deliveries.claim(2, "1", NOW)
    with monkeypatch.context() as patched:
        patched.setattr(type(app.catalog.deliveries), "fold", killed)
        with pytest.raises(Killed):
            app.deliver.deliver()
    app.deliver.hold = True
    app.deliver.deliver()
    app.catalog.deliveries.resume()
    app.deliver.deliver()
    assert states(app) == {State.SENT: 1, State.UNCERTAIN: 2}


def killed(*_):
    raise Killed


@pytest.mark.sqlite
def test_an_upgrade_in_the_middle_of_an_edition_loses_nobody_and_doubles_only_what_was_on_its_way(
    app, line, owed, make_app
):
    owed(4)
    claimed = app.catalog.deliveries.claim(3, "local", NOW)
    app.catalog.store.engine.dispose()
    app.settings.file("subscribers.journal").write_text("boot 1f\nbegin 1\nend 1 final 250 - ok\nbegin 2\n")
    older(app.settings.file("subscribers.db"))
    later = make_app()
    with pytest.raises(CatalogError, match="db upgrade"):
        _ = later.catalog
    Catalog(later.settings.database_url).store.create()
    later.transport = Line()
    report = later.deliver.deliver()
    assert report.recovered == {"untouched": 1, "told by the journal": 2, "to be sent again": 1}
    assert (len(claimed), states(later)) == (3, {State.SENT: 4})
    assert [mail.id for mail in later.transport.mails] == [2, 3, 4]


def older(path):
    """The database with the schema of an earlier version, and all that fits into it."""
    new = path.rename(path.with_name("newer.db"))
    as_before(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("ATTACH ? AS newer", [str(new)])
        both = "SELECT name FROM main.sqlite_master WHERE type = 'table' INTERSECT SELECT name FROM newer.sqlite_master"
        for (table,) in db.execute(both).fetchall():
            columns = ", ".join(row[1] for row in db.execute(f"PRAGMA main.table_info({table})"))
            if table != "alembic_version":
                db.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM newer.{table}")
