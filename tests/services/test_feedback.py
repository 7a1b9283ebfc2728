"""Bounces and complaints applied: only what is about our messages counts, each thing once, and nothing is lost."""

import json
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from factories import NOW, batch, candidate, card, listing, pick
from served import Served

from digest.catalog import tables
from digest.catalog.deliveries import Composed, Settled
from digest.catalog.feedback import Effect, Score, scored
from digest.delivery.events import Event, Told, provider
from digest.delivery.refusal import Blame
from digest.errors import Busy, DigestError, NotFound, TransportError
from digest.model import Digest, Interest, Outcome, Phase, Schedule, Standing, State
from digest.services.subscriptions import Proof

DSN = """\
From: MAILER-DAEMON@mx.example.com
To: {to}
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary="cut"

--cut
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; {who}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 {status} {words}

--cut
Content-Type: text/rfc822-headers

Message-ID: <{message_id}>

--cut--
"""


@pytest.fixture
def sent(app):
    """A function that has sent n readers the digest of a day; returns the digests."""

    def send(number=1, turn="2026-01-16", domain="example.net"):
        if not app.catalog.editions.of(NOW.date()):
            app.catalog.papers.take("arxiv", batch(listing()), NOW)
            app.catalog.editions.open(NOW.date(), NOW, [candidate(0, card(1))], {})
        template, now = app.printing.stationery("digest").hash, app.clock()
        for n in range(number):
            address = f"reader{n}@{domain}"
            known = app.catalog.subscribers.by_address(address)
            reader = known or app.subscriptions.add(address, Interest(), Schedule(), "asked", after=NOW)
            message_id = app.links.message_id(reader.id, reader.public_id, turn, "news.example.org")
            row = Digest(0, reader.id, turn, 1, (pick(0),), template, message_id, now, now + timedelta(days=1))
            app.catalog.deliveries.add([Composed(row, Schedule().next(NOW))])
        claimed = app.catalog.deliveries.claim(number, "test", app.clock())
        app.catalog.deliveries.fold([Settled(d.digest.id, State.SENT) for d in claimed], "test", app.clock())
        return [d.digest for d in claimed]

    return send


@pytest.fixture
def spool(tmp_path):
    folder = tmp_path / "Maildir"
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    return folder


def dsn(to="bounces@news.example.org", **fields):
    told = {
        "who": "reader0@example.net",
        "action": "failed",
        "status": "5.1.1",
        "words": "no such user",
        "message_id": "x@y",
    }
    return DSN.format(to=to, **{**told, **fields}).encode()


def about(app, digest, **fields):
    return dsn(to=app.printing.return_path(digest.id), **fields)


def drop(spool: Path, *mails: bytes) -> None:
    for raw in mails:
        place = spool / "new"
        (place / f"{len(list(place.iterdir())):05}.mx").write_bytes(raw)


def left(spool: Path) -> int:
    return len(list((spool / "new").iterdir()))


def quarantined(spool: Path) -> int:
    folder = spool.with_name("Maildir-quarantine")
    return len(list(folder.iterdir())) if folder.exists() else 0


def suppressed(app, address="reader0@example.net"):
    return app.catalog.consents.suppressed(app.links.fingerprint(address))


def followed(app, spool, *mails):
    drop(spool, *mails)
    return dict(app.feedback.mails(spool).effects)


# ---------------------------------------------------------------- what follows


def test_an_address_that_does_not_exist_is_never_mailed_again(app, sent, spool):
    (digest,) = sent()
    assert followed(app, spool, about(app, digest)) == {Effect.SUPPRESSED: 1}
    assert suppressed(app) == "bounced: 550 5.1.1 no such user"
    assert left(spool) == quarantined(spool) == 0


def test_what_came_back_is_told_beside_the_delivery(app, sent, spool):
    bounced, complained, fine = sent(3)
    followed(app, spool, about(app, bounced, status="5.2.2", words="full"), about(app, bounced, status="5.1.1"))
    app.feedback.events([Event(Told.COMPLAINED, ours=(complained.message_id,))])
    told = app.catalog.feedback.of([bounced.id, complained.id, fine.id])
    assert told == {bounced.id: "hard, soft", complained.id: "complaint"}


def test_an_operator_may_lift_a_suppression_and_the_proof_stays(app, sent, spool):
    (digest,) = sent()
    followed(app, spool, about(app, digest))
    reader = app.subscriptions.find("reader0@example.net")
    assert app.subscriptions.exported(reader)["suppressed"] == "bounced: 550 5.1.1 no such user"
    with pytest.raises(DigestError, match="say why"):
        app.subscriptions.lift("reader0@example.net", " ")
    assert app.subscriptions.lift("Reader0@example.net", "their server had failed") == "bounced: 550 5.1.1 no such user"
    assert not suppressed(app)
    assert app.catalog.consents.history(reader.public_id)[-1]["proof"]["reason"] == "their server had failed"
    with pytest.raises(NotFound, match="not suppressed"):
        app.subscriptions.lift("reader0@example.net", "again")


def test_an_address_that_was_full_before_begins_anew_when_it_is_lifted(app, sent, spool):
    (digest,) = sent()
    followed(app, spool, about(app, digest, status="5.2.2", words="full"))
    app.catalog.consents.lift(app.links.fingerprint("reader0@example.net"))
    (digest,) = sent(turn="2026-01-17")
    assert followed(app, spool, about(app, digest, status="5.2.2", words="full")) == {Effect.COUNTED: 1}


def test_a_relay_that_changes_the_case_of_the_envelope_is_understood(app, sent, spool):
    (digest,) = sent()
    assert followed(app, spool, dsn(to=app.printing.return_path(digest.id).upper())) == {Effect.SUPPRESSED: 1}


def test_our_message_id_is_enough(app, sent, spool):
    (digest,) = sent()
    assert followed(app, spool, dsn(message_id=digest.message_id)) == {Effect.SUPPRESSED: 1}


def test_it_is_our_reader_who_bounced_even_if_their_mail_was_passed_on(app, sent, spool):
    (digest,) = sent()
    followed(app, spool, about(app, digest, who="passed-on@elsewhere.example"))
    assert suppressed(app)
    assert not suppressed(app, "passed-on@elsewhere.example")


def test_a_full_mailbox_is_given_up_on_the_fifth_day(app, sent, spool, clock):
    for day in range(5):
        assert not suppressed(app)
        (digest,) = sent(turn=f"2026-01-{16 + day}")
        full = about(app, digest, status="5.2.2", words="mailbox full")
        assert followed(app, spool, full) == {Effect.COUNTED if day < 4 else Effect.SUPPRESSED: 1}
        clock.forward(days=1)
    assert suppressed(app)


def test_more_than_one_bounce_a_day_is_one_point(app, sent, spool):
    for turn in range(16, 26):
        (digest,) = sent(turn=f"2026-01-{turn}")
        followed(app, spool, about(app, digest, status="4.2.2", words="mailbox full"))
    assert not suppressed(app)


def test_points_go_stale_after_a_week_and_with_a_new_confirmation():
    def points(after: timedelta, since=None):
        return scored(Score(4, NOW), NOW + after, since).points

    assert scored(None, NOW, None) == Score(1, NOW)
    assert points(timedelta(hours=2)) == 4
    assert points(timedelta(days=7)) == 5
    assert points(timedelta(days=8)) == 1
    assert points(timedelta(days=1), since=NOW - timedelta(hours=1)) == 5
    assert points(timedelta(days=1), since=NOW + timedelta(hours=1)) == 1


def test_what_is_refused_because_of_us_blames_nobody(app, sent, spool):
    (digest,) = sent()
    assert followed(app, spool, about(app, digest, status="5.7.1", words="spam")) == {Effect.OURS: 1}
    assert not suppressed(app)
    assert "example.net refused 1 messages" in "".join(app.doctor.problems())


def test_a_domain_that_refuses_us_pauses_sending(app, sent, spool):
    digests = sent(20)
    refused = [about(app, digest, status="5.7.1", words="spam") for digest in digests[:4]]
    assert followed(app, spool, *refused) == {Effect.OURS: 4}
    assert not app.catalog.deliveries.paused()
    followed(app, spool, about(app, digests[4], status="5.7.1", words="spam"))
    assert "example.net refused 5 of 20" in app.catalog.deliveries.paused()


def test_a_large_domain_may_refuse_a_few(app, sent, spool):
    digests = sent(120)
    followed(app, spool, *(about(app, digest, status="5.7.1", words="spam") for digest in digests[:6]))
    assert not app.catalog.deliveries.paused()


def test_delays_and_answering_machines_change_nothing(app, sent, spool):
    (digest,) = sent()
    to = app.printing.return_path(digest.id)
    away = f"From: a@b.org\nTo: {to}\nSubject: Out of office\nAuto-Submitted: auto-replied\n\nI am away.".encode()
    late = about(app, digest, action="delayed", status="4.4.1", words="timed out")
    assert followed(app, spool, away, late) == {Effect.NOTHING: 2}
    assert not suppressed(app)
    assert left(spool) == quarantined(spool) == 0


COMPLAINT = """\
From: abuse@example.net
Subject: FW: your digest
Content-Type: multipart/report; report-type=feedback-report; boundary="cut"

--cut
Content-Type: message/feedback-report

Feedback-Type: {kind}

--cut
Content-Type: message/rfc822

Message-ID: <{id}>
To: <redacted>

--cut--
"""


def test_who_complains_is_left_alone_even_if_their_address_is_redacted(app, sent, spool):
    (digest,) = sent()
    complaint = COMPLAINT.format(kind="abuse", id=digest.message_id).encode()
    assert followed(app, spool, complaint) == {Effect.COMPLAINED: 1}
    assert suppressed(app) == "complained: abuse"
    assert app.catalog.subscribers.get(digest.subscriber).standing is Standing.LEFT
    reader = app.catalog.subscribers.get(digest.subscriber)
    assert [row["event"] for row in app.catalog.consents.history(reader.public_id)][-1] == "complained"


def test_a_report_on_authentication_is_no_complaint_of_the_reader(app, sent, spool):
    (digest,) = sent()
    failure = COMPLAINT.format(kind="auth-failure", id=digest.message_id).encode()
    assert followed(app, spool, failure) == {Effect.NOTHING: 1}
    assert not suppressed(app)


def test_a_report_about_somebody_who_was_erased_changes_nothing(app, sent, spool):
    (digest,) = sent()
    app.catalog.subscribers.erase(digest.subscriber)
    assert followed(app, spool, about(app, digest)) == {Effect.UNMATCHED: 1}


def test_a_provider_that_renames_a_message_is_understood_by_mail_and_by_callback(app, sent, spool):
    digests = sent(2)
    with app.catalog.store.write() as db:
        for number, digest in enumerate(digests):
            named = tables.digests.update().where(tables.digests.c.id == digest.id)
            db.execute(named.values(provider_id=f"0100-{number}"))
    renamed = dsn(who="reader0@example.net", message_id="0100-0@eu-west-1.amazonses.com")
    assert followed(app, spool, renamed) == {Effect.SUPPRESSED: 1}
    told = Event(Told.BOUNCED, "reader1@example.net", message_id="0100-1", blame=Blame.HARD)
    assert app.feedback.events([told]).effects == {Effect.SUPPRESSED: 1}


@pytest.mark.parametrize(
    ("told", "effect"),
    [
        ({"notificationType": "Complaint", "complaint": {"complaintFeedbackType": "abuse"}}, Effect.COMPLAINED),
        ({"notificationType": "Complaint", "complaint": {"complaintFeedbackType": "not-spam"}}, Effect.NOTHING),
        ({"notificationType": "Bounce", "bounce": {"bounceType": "Permanent"}}, Effect.SUPPRESSED),
    ],
)
def test_what_amazon_tells_by_mail_counts_as_what_it_tells_over_http(app, sent, spool, told, effect):
    def of(digest):
        headers = [{"name": "Message-ID", "value": f"<{digest.message_id}>"}]
        return told | {"mail": {"messageId": "0100", "destination": ["reader0@example.net"], "headers": headers}}

    one, other = sent(2)
    mail = f"From: no-reply@sns.amazonaws.com\nSubject: Notification\n\n{json.dumps(of(one))}".encode()
    assert followed(app, spool, mail) == {effect: 1}
    assert app.feedback.events(provider("ses").parse(of(other), {})).effects == {effect: 1}


def test_a_confirmation_mail_that_bounces_is_the_last_one_to_that_address(app, spool):
    mails = []
    transport = SimpleNamespace(
        deliver=lambda queue: (mails.append(m) or Outcome(m.id, Phase.FINAL, 250) for m in queue)
    )
    proof = Proof("192.0.2.1", "Browser", "https://news.example.org/", "I want mail.")
    app.subscriptions.request("nobody@example.net", Interest(), Schedule(), proof)
    app.subscriptions.post(transport)
    (mail,) = mails
    assert followed(app, spool, dsn(to=mail.sender, who=mail.recipient)) == {Effect.SUPPRESSED: 1}
    assert suppressed(app, "nobody@example.net")


# ---------------------------------------------------------------- what is not believed


def test_a_thousand_forged_reports_suppress_nobody(app, sent, spool):
    (digest,) = sent()
    real = app.printing.return_path(digest.id)
    other = "a" if real[20] != "a" else "b"
    token = app.printing.return_path(0)  # everybody who ever got a confirmation mail has it
    forged = [
        real[:20] + other + real[21:], token, "b+1@news.example.org", "bounces@news.example.org", f"x{real}",
    ]  # fmt: skip
    drop(spool, *(dsn(to=forged[n % 5], message_id=f"{n}@news.example.org") for n in range(1000)))
    assert dict(app.feedback.mails(spool).effects) == {Effect.UNMATCHED: 1000}
    assert not suppressed(app)
    assert (left(spool), quarantined(spool)) == (0, 1000)


def test_an_envelope_signed_for_one_reader_says_nothing_of_another(app, sent, spool):
    mine, _ = sent(2)
    followed(app, spool, about(app, mine, who="reader1@example.net"))
    assert not suppressed(app, "reader1@example.net")


# ---------------------------------------------------------------- once, and never lost


def test_a_message_that_bounces_twice_counts_once(app, sent, spool):
    (digest,) = sent()
    twice = about(app, digest, status="5.2.2", words="full")
    assert followed(app, spool, twice, twice) == {Effect.COUNTED: 1, Effect.KNOWN: 1}


class Killed(BaseException):
    """As SIGKILL."""


def killed(*_):
    raise Killed


def test_whoever_is_killed_between_commit_and_removal_counts_nothing_twice(app, sent, spool, monkeypatch):
    digests = sent(3)
    drop(spool, *(about(app, digest, status="5.2.2", words="full") for digest in digests))

    with monkeypatch.context() as patch:
        patch.setattr("digest.delivery.spool.Spool.remove", killed)
        with pytest.raises(Killed):
            app.feedback.mails(spool)
    assert left(spool) == 3
    assert dict(app.feedback.mails(spool).effects) == {Effect.KNOWN: 3}
    assert left(spool) == 0


def test_whoever_is_killed_before_the_commit_loses_nothing(app, sent, spool, monkeypatch):
    (digest,) = sent()
    drop(spool, about(app, digest))

    with monkeypatch.context() as patch:
        patch.setattr("digest.catalog.feedback.Feedback._suppress", killed)
        with pytest.raises(Killed):
            app.feedback.mails(spool)
    assert dict(app.feedback.mails(spool).effects) == {Effect.SUPPRESSED: 1}


def test_a_spool_of_many_batches_is_read_to_its_end(app, sent, spool, monkeypatch):
    monkeypatch.setattr("digest.services.feedback.BATCH", 7)
    digests = sent(30)
    assert followed(app, spool, *(about(app, digest) for digest in digests)) == {Effect.SUPPRESSED: 30}


def test_what_is_no_report_is_kept_for_a_person(app, spool):
    drop(spool, b"", b"From: a@b.org\nSubject: Thanks\n\nI like it.", b"\xff\x00garbage" * 50)
    learned = app.feedback.mails(spool)
    assert learned.quarantined == quarantined(spool) == 3
    assert learned.kinds == Counter({"unreadable": 1, "not_bounce": 2})
    drop(spool, b"another mail with the name of the first")
    app.feedback.mails(spool)
    assert quarantined(spool) == 4


def test_a_plain_folder_is_read_too(app, sent, tmp_path):
    (digest,) = sent()
    folder = tmp_path / "mails"
    folder.mkdir()
    (folder / "one.eml").write_bytes(about(app, digest))
    assert dict(app.feedback.mails(folder).effects) == {Effect.SUPPRESSED: 1}


def test_two_processes_do_not_read_one_spool(app, spool):
    with app.catalog.store.lock("feedback"), pytest.raises(Busy):
        app.feedback.mails(spool)


# ---------------------------------------------------------------- providers


def test_a_providers_bounce_takes_the_same_path_and_counts_once_with_the_mail(app, sent, spool):
    (digest,) = sent()
    event = Event(Told.BOUNCED, "reader0@example.net", "0100", blame=Blame.SOFT, ours=(digest.message_id,))
    assert dict(app.feedback.events([event]).effects) == {Effect.COUNTED: 1}
    assert dict(app.feedback.events([event]).effects) == {Effect.KNOWN: 1}
    assert followed(app, spool, about(app, digest, status="5.2.2", words="full")) == {Effect.KNOWN: 1}


def test_a_providers_hard_bounce_keeps_no_address_in_its_reason(app, sent):
    (digest,) = sent()
    said = "550 5.1.1 <reader0@example.net> no such user"
    event = Event(Told.BOUNCED, "reader0@example.net", f"<{digest.message_id}>", blame=Blame.HARD, response=said)
    app.feedback.events([event])
    assert suppressed(app).startswith("bounced: 550 5.1.1")
    assert "@" not in suppressed(app)


def test_who_unsubscribes_or_complains_at_the_provider_is_gone_here_too(app, sent):
    first, second = sent(2)
    learned = app.feedback.events(
        [Event(Told.UNSUBSCRIBED, ours=(first.message_id,)), Event(Told.COMPLAINED, ours=(second.message_id,))]
    )
    assert learned.effects == Counter({Effect.LEFT: 1, Effect.COMPLAINED: 1})
    assert not suppressed(app, "reader0@example.net")
    assert suppressed(app, "reader1@example.net")
    assert not app.catalog.subscribers.deliverable([first.subscriber, second.subscriber])


def told(name, payload):
    return provider(name).parse(payload, {})


@pytest.mark.parametrize(
    ("name", "payload", "effect"),
    [
        ("sendgrid", [{"event": "spamreport", "email": "Reader0@example.net"}], Effect.COMPLAINED),
        ("sendgrid", [{"event": "unsubscribe", "email": "reader0@example.net"}], Effect.LEFT),
        ("postmark", {"RecordType": "SpamComplaint", "Email": "reader0@example.net"}, Effect.COMPLAINED),
        ("resend", {"type": "email.bounced", "data": {"email_id": "x", "to": ["reader0@example.net"],
            "bounce": {"type": "Permanent"}, "message_id": "<0102@email.amazonses.com>"}}, Effect.SUPPRESSED),
        ("ses", {"notificationType": "Bounce", "mail": {"messageId": "0102"}, "bounce": {"bounceType": "Permanent",
            "bouncedRecipients": [{"emailAddress": "reader0@example.net"}]}}, Effect.SUPPRESSED),
        ("sendgrid", [{"event": "group_unsubscribe", "email": "reader0@example.net"}], Effect.UNMATCHED),
        ("sendgrid", [{"event": "bounce", "email": "reader0@example.net", "smtp-id": "<another@x>"}], Effect.UNMATCHED),
        ("mailgun", {"event-data": {"event": "complained", "recipient": "reader0@example.net"}}, Effect.UNMATCHED),
        ("postmark", {"RecordType": "SpamComplaint", "Email": "stranger@example.net"}, Effect.UNMATCHED),
    ],
)  # fmt: skip
def test_a_provider_that_forgot_our_message_id_is_believed_about_the_last_digest_to_an_address(
    app, sent, name, payload, effect
):
    sent(turn="2026-01-15")
    sent()
    assert app.feedback.events(told(name, payload)).effects == {effect: 1}
    again = Effect.UNMATCHED if effect is Effect.UNMATCHED else Effect.KNOWN
    assert app.feedback.events(told(name, payload)).effects == {again: 1}


def test_nobody_is_known_by_an_address_that_got_no_digest_yet(app):
    app.subscriptions.add("reader0@example.net", Interest(), Schedule(), "asked", after=NOW)
    complaint = {"RecordType": "SpamComplaint", "Email": "reader0@example.net"}
    assert app.feedback.events(told("postmark", complaint)).effects == {Effect.UNMATCHED: 1}


def test_what_amazon_tells_by_mail_of_one_sent_through_smtp_is_known_by_its_envelope(app, sent, spool):
    (digest,) = sent()
    source = app.printing.return_path(digest.id)
    bounce = {"notificationType": "Bounce", "bounce": {"bounceType": "Permanent"}, "mail": {"source": source}}
    mail = f"From: no-reply@sns.amazonaws.com\nSubject: Notification\n\n{json.dumps(bounce)}".encode()
    assert followed(app, spool, mail) == {Effect.SUPPRESSED: 1}


@pytest.mark.parametrize(
    ("name", "payload", "effect"),
    [
        ("sendgrid", [{"event": "dropped", "reason": "Bounced Address"}], Effect.SUPPRESSED),
        ("sendgrid", [{"event": "dropped", "reason": "Spam Reporting Address"}], Effect.COMPLAINED),
        ("sendgrid", [{"event": "dropped", "reason": "Unsubscribed Address"}], Effect.LEFT),
        ("sendgrid", [{"event": "dropped", "reason": "Spam Content"}], Effect.NOTHING),
        ("mailgun", {"event-data": {"event": "failed", "severity": "permanent", "reason": "suppress-bounce",
            "delivery-status": {"code": 605, "message": "Not delivering to previously bounced address"}}},
            Effect.SUPPRESSED),
        ("mailgun", {"event-data": {"event": "failed", "severity": "permanent", "reason": "suppress-complaint",
            "delivery-status": {"code": 607}}}, Effect.COMPLAINED),
        ("mailgun", {"event-data": {"event": "failed", "severity": "permanent", "reason": "suppress-unsubscribe",
            "delivery-status": {"code": 606}}}, Effect.LEFT),
        ("resend", {"type": "email.suppressed", "data": {"suppressed": {"message": "on the list"}}}, Effect.SUPPRESSED),
        ("postmark", {"RecordType": "Bounce", "Type": "ManuallyDeactivated"}, Effect.NOTHING),
    ],
)  # fmt: skip
def test_what_a_provider_does_not_even_try_it_does_not_try_for_a_reason(app, sent, name, payload, effect):
    (digest,) = sent()
    (event,) = told(name, payload)
    assert app.feedback.events([replace(event, ours=(digest.message_id,))]).effects == {effect: 1}


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("postmark", {"RecordType": "Bounce", "Type": "SpamNotification"}),
        ("postmark", {"RecordType": "Bounce", "Type": "Blocked"}),
        ("ses", {"notificationType": "Bounce", "bounce": {"bounceSubType": "ContentRejected"}}),
        ("resend", {"type": "email.bounced", "data": {"bounce": {"type": "Transient", "subType": "ContentRejected"}}}),
    ],
)  # fmt: skip
def test_a_filter_that_took_the_mail_for_spam_is_no_reader_who_complained(app, sent, name, payload):
    (digest,) = sent()
    (event,) = told(name, payload)
    assert app.feedback.events([replace(event, ours=(digest.message_id,))]).effects == {Effect.OURS: 1}
    assert app.catalog.subscribers.deliverable([digest.subscriber])


@pytest.fixture
def postmark(make_app, monkeypatch):
    """An app that Postmark may report to."""
    monkeypatch.setenv("DIGEST_WEBHOOKS__POSTMARK__SECRET", "post:mark-0815")
    return make_app()


SIGNED = {"authorization": "Basic " + b64encode(b"post:mark-0815").decode()}


def test_a_callback_is_believed_when_its_provider_sent_it(postmark):
    body = json.dumps({"RecordType": "Open", "Recipient": "a@b.org"}).encode()
    assert postmark.feedback.callback("postmark", SIGNED, body).kinds == Counter({"opened": 1})
    assert postmark.feedback.callback("postmark", {}, body) is None
    assert postmark.feedback.callback("postmark", SIGNED, b"no json") is None


def test_a_provider_without_a_secret_is_not_there(app):
    with pytest.raises(NotFound, match="postmark"):
        app.feedback.callback("postmark", SIGNED, b"{}")
    with pytest.raises(NotFound, match="pigeon"):
        app.feedback.callback("pigeon", {}, b"{}")


def test_a_missing_package_is_named(postmark, monkeypatch):
    monkeypatch.setattr("digest.delivery.events.postmark.verify", lambda *_: exec("import nothing_of_that_name"))
    with pytest.raises(TransportError, match=r"digest\[webhooks\]"):
        postmark.feedback.callback("postmark", SIGNED, b"{}")


def test_a_topic_of_amazon_is_confirmed_once_its_first_message_is_verified(app, monkeypatch):
    url, fetched = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription", []
    service = replace(app.feedback, secrets={"ses": "arn"}, fetch=lambda url: fetched.append(url) or b"")
    certificate = "https://sns.us-east-1.amazonaws.com/key.pem"
    asks = {"Type": "SubscriptionConfirmation", "SubscribeURL": url, "TopicArn": "arn"}
    asks |= {"SigningCertURL": certificate, "Signature": ""}
    for signs in (False, True):
        monkeypatch.setattr("digest.delivery.events.ses._signs", lambda *_, signs=signs: signs)
        assert (service.callback("ses", {}, json.dumps(asks).encode()) is not None) is signs
    service.callback("ses", {}, json.dumps({**asks, "SubscribeURL": "https://evil.org/"}).encode())
    service.callback("ses", {}, json.dumps({**asks, "Type": "Notification"}).encode())  # there it is not signed
    assert fetched == [certificate, certificate, url, certificate, certificate]


def test_a_certificate_is_fetched_once_for_a_million_messages(app):
    app.http = Served(b"certificate")
    assert [app.feedback.fetch("https://sns.us-east-1.amazonaws.com/a.pem") for _ in range(3)] == [b"certificate"] * 3
    assert len(app.http.asked) == 1


def test_opens_and_deferrals_teach_nothing_and_are_not_looked_up(app, sent, monkeypatch):
    (digest,) = sent()
    monkeypatch.setattr(app.links, "named", lambda name: pytest.fail(f"{name} was looked up"))
    told = [
        Event(what, ours=(digest.message_id,)) for what in (Told.OPENED, Told.DEFERRED, Told.DELIVERED, Told.REJECTED)
    ]
    assert app.feedback.events(told).effects == Counter({Effect.NOTHING: 4})


def test_mails_that_refer_to_thousands_of_others_do_not_stop_the_reading(app, sent, spool):
    (digest,) = sent()
    for mail in range(6):
        names = "".join(f"<{n:x}.{mail}@a>" for n in range(25_000))
        drop(spool, f"From: mailer-daemon@x.org\nSubject: failed\nReferences: {names}\n\nNot delivered.".encode())
    assert followed(app, spool, about(app, digest))[Effect.SUPPRESSED] == 1
