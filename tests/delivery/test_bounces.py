"""What comes back, read: own small mails, real ones where DIGEST_TEST_DATA is set, and garbage."""

import json
import os
import sys
import time
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.delivery.bounces import Kind, Report, read
from digest.delivery.bounces.mail import MOST

HERE = Path(__file__).parents[1] / "data" / "bounces"
TOKEN = "aabcdefghijklmnopqrstuvwx"
SAMPLES = sorted(HERE.glob("*.eml"))


def told(name: str) -> Report:
    return read((HERE / f"{name}.eml").read_bytes())


def blamed(report: Report) -> list[tuple[str, str, str]]:
    return [(failed.address, failed.status, failed.blame) for failed in report.recipients]


@pytest.mark.parametrize(
    ("name", "kind", "recipients"),
    [
        ("unknown-user", "bounce", [("reader@example.net", "5.1.1", "hard")]),
        ("two-recipients", "bounce", [("full@example.net", "5.2.2", "soft"), ("spam@example.net", "5.7.1", "ours")]),
        ("delayed", "delay", [("reader@example.net", "4.4.1", "soft")]),
        ("delivered", "delivered", [("reader@example.net", "2.0.0", "soft")]),
        ("sender-refused", "bounce", [("reader@example.net", "5.1.8", "ours")]),
        ("after-data", "bounce", [("reader@example.net", "5.0.0", "soft")]),
        ("no-diagnostic", "bounce", [("first@example.net", "5.0.0", "hard"), ("second@example.net", "5.0.0", "soft")]),
        ("base64-report", "bounce", [("reader@example.net", "5.1.1", "hard")]),
        ("broken-mime", "bounce", [("reader@example.net", "5.1.1", "hard")]),
        ("exim", "bounce", [("reader@example.net", "5.0.0", "hard")]),
        ("no-boundary", "bounce", [("reader@example.net", "5.0.0", "hard")]),
        ("qmail", "bounce", [("reader@example.net", "5.1.1", "hard")]),
        ("plain-words", "bounce", [("reader@example.net", "", "soft")]),
        ("warning", "delay", [("reader@example.net", "", "soft")]),
        ("complaint", "complaint", [("", "", "hard")]),
        ("auth-failure", "complaint", [("reader@example.net", "", "ours")]),
        ("away", "auto_reply", []),
        ("quota-robot", "auto_reply", []),
        ("letter", "not_bounce", []),
        ("reply-to-a-bounce", "not_bounce", []),
        ("gmail-delay", "delay", [("reader@example.net", "", "soft")]),
    ],
)
def test_a_mail_is_what_it_says_and_about_whom(name: str, kind: str, recipients: list[tuple[str, str, str]]):
    report = told(name)
    assert (report.kind, blamed(report)) == (kind, recipients)


def test_every_sample_is_read_by_a_test():
    assert {path.stem for path in SAMPLES} == {row[0] for row in _cases()}


def _cases() -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    return test_a_mail_is_what_it_says_and_about_whom.pytestmark[0].args[1]  # type: ignore[attr-defined]


def test_the_signed_envelope_is_found_wherever_it_was_kept():
    assert told("unknown-user").tokens == told("qmail").tokens == (TOKEN,)
    assert told("complaint").tokens == (TOKEN,)  # in the report, not in the mail's own envelope
    named = (
        (HERE / "two-recipients.eml").read_bytes().replace(b"Reporting-MTA", b"Original-Envelope-Id: 7k\nReporting-MTA")
    )
    assert "7k" in read(named).tokens  # as we asked for it by ENVID


def test_the_returned_message_is_known_by_its_id_even_if_its_reader_is_redacted():
    assert told("complaint").message_ids == ("turn-1@news.example.org",)
    assert told("exim").message_ids == ("turn-1@news.example.org",)


def test_the_reason_is_the_other_servers_and_names_no_address():
    (failed,) = told("qmail").recipients
    assert failed.reason == "Sorry, no mailbox here by that name. (#5.1.1)"
    assert "@" not in told("unknown-user").recipients[0].reason


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"\x00"])
def test_an_empty_mail_is_for_a_person(raw: bytes):
    assert read(raw).kind in (Kind.UNREADABLE, Kind.NOT_BOUNCE)
    assert not read(raw).recipients


def test_a_report_that_names_nobody_is_for_a_person():
    assert read(b"From: mailer-daemon@x.org\nSubject: failure notice\n\nIt was not delivered.").kind is Kind.UNREADABLE


def reported(*fields: str, charset: str = "utf-8") -> Report:
    """A report of *fields* on one recipient, in octets of a *charset* that it does not tell."""
    head = "Content-Type: multipart/report; boundary=cut\n\n--cut\nContent-Type: message/delivery-status\n"
    return read("\n".join((head, "Reporting-MTA: dns; mx.example.net\n", *fields, "\n--cut--\n")).encode(charset))


def letter(subject: str, body: str, *, sender: str = "MAILER-DAEMON@mx.example.net", headers: str = "") -> Report:
    head = f"From: {sender}\nSubject: {subject}\n{headers}Content-Type: text/plain; charset=utf-8\n\n"
    return read((head + body).encode())


def test_a_delay_that_names_its_recipient_in_a_header_is_no_bounce():
    subject, who = "Delivery Status Notification (Delay)", "X-Failed-Recipients: reader@example.net\n"
    told = letter(subject, "Message will be retried for 2 more day(s)", headers=who)
    assert (told.kind, blamed(told)) == (Kind.DELAY, [("reader@example.net", "", "soft")])


def test_a_report_without_action_and_status_is_read_by_the_servers_words():
    told = reported("Final-Recipient: rfc822; reader@example.net", "Diagnostic-Code: smtp; 550 5.1.1 user unknown")
    assert (told.kind, blamed(told)) == (Kind.BOUNCE, [("reader@example.net", "5.1.1", "hard")])


@pytest.mark.parametrize(
    ("words", "charset"),
    [
        ("Unbekannter Empfänger", "iso-8859-1"),
        ("宛先が見つかりません", "iso-2022-jp"),
        ("пользователь не найден", "utf-8"),
    ],
)
def test_words_beyond_ascii_are_read_though_no_charset_is_told(words: str, charset: str):
    fields = "Action: failed", "Status: 5.0.0", f"Diagnostic-Code: smtp; 550 {words}"
    told = reported("Final-Recipient: rfc822; reader@example.net", *fields, charset=charset)
    assert [(failed.blame, failed.reason) for failed in told.recipients] == [("hard", f"550 {words}")]


def test_words_in_another_charset_than_they_claim_are_read():
    head = "From: postmaster@firma.example\nSubject: Unzustellbar: Papers\nContent-Type: text/plain; charset=utf-8\n\n"
    told = read(f"{head}Empfänger: reader@example.net\nGrund: Empfänger unbekannt\n".encode("iso-8859-1"))
    assert blamed(told) == [("reader@example.net", "", "hard")]


@pytest.mark.parametrize(
    ("subject", "body", "blame"),
    [
        ("Unzustellbare E-Mail", "<reader@example.net>:\nDie Mailbox existiert nicht.", "hard"),
        ("Mancato recapito del messaggio", "<reader@example.net>: casella piena", "soft"),
        ("Недоставленное сообщение", "<reader@example.net>: пользователь не найден", "hard"),
        ("系统退信", "您的邮件被退回。\n收件人：<reader@example.net>\n原因：用户不存在", "hard"),
        ("系统退信", "收件人：reader@example.net\n收件人邮件地址（reader@example.net）不存在", "hard"),
        ("メール配信エラー", "<reader@example.net>\n\n宛先が見つかりません。", "hard"),
        ("메일이 전송되지 못하였습니다.", "받는사람: reader@example.net\n550 5.1.1 No such user", "hard"),
        ("Undeliverable mail: Papers", "Failed to deliver to 'reader@example.net'\n account is full", "soft"),
        ("Undelivered Mail Returned to Sender", "reader@example.net, ERROR CODE :550 - No such user", "hard"),
    ],
)
def test_bounces_are_read_in_the_languages_of_those_who_send_them(subject: str, body: str, blame: str):
    told = letter(subject, body, headers="Auto-Submitted: auto-replied\n")
    assert [(failed.address, failed.blame) for failed in told.recipients] == [("reader@example.net", blame)]


@pytest.mark.parametrize(
    "subject",
    ["Automatische Antwort: Papers", "Absent du bureau", "自動応答: Papers", "自動回覆: Papers", "자동 회신: Papers",
     "Automatyczna odpowiedź: Papers", "Автоматический ответ: Papers", "Fuera de la oficina", "Fuori sede"],
)  # fmt: skip
def test_answering_machines_speak_many_languages(subject: str):
    assert letter(subject, "…", sender="reader@example.net").kind is Kind.AUTO_REPLY


COMPLAINT = "Feedback-Type: abuse\nOriginal-Rcpt-To: reader@example.net\n"
RETURNED = f"Return-Path: <b+{TOKEN}@b.example>\nMessage-ID: <turn-1@news.example.org>\n\nPapers\n"


@pytest.mark.parametrize(
    ("kind", "encoding", "returned"),
    [
        ("message/feedback-report", "base64", b64encode(RETURNED.encode()).decode()),
        ("message/feedback-report", "7bit", RETURNED),
        ("text/plain", "7bit", RETURNED),
    ],
)
def test_a_complaint_is_one_however_it_is_wrapped(kind: str, encoding: str, returned: str):
    head = "Content-Type: multipart/report; report-type=feedback-report; boundary=cut\n\n--cut\nContent-Type: "
    mail = f"Content-Type: message/rfc822\nContent-Transfer-Encoding: {encoding}\n\n{returned}\n--cut--\n"
    told = read(f"{head}{kind}\n\n{COMPLAINT}\n--cut\n{mail}".encode())
    assert (told.kind, told.tokens, told.message_ids) == (Kind.COMPLAINT, (TOKEN,), ("turn-1@news.example.org",))
    assert [failed.address for failed in told.recipients] == ["reader@example.net"]


def test_a_receipt_that_a_mail_was_read_or_thrown_away_is_a_machines_answer():
    head = "From: reader@example.net\nContent-Type: multipart/report; boundary=cut\n\n--cut\n"
    part = "Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822;reader@example.net\n"
    assert read(f"{head}{part}Disposition: automatic-action/MDN-sent-automatically; deleted\n".encode()).kind is (
        Kind.AUTO_REPLY
    )


@pytest.mark.parametrize(
    ("words", "blame"),
    [
        ("550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)", "hard"),  # Outlook.com
        ("550 Requested action not taken: mailbox unavailable invalid DNS MX or A/AAAA resource record", "ours"),
        ("Domain example.net does not accept mail (nullMX)", "hard"),  # Postfix, as 5.1.0
        ("550 5.7.27 Sender address has null MX", "ours"),
        ("550 #5.1.0 Address rejected.", "hard"),  # Cisco
    ],
)
def test_what_large_systems_say_of_an_unknown_user_is_not_taken_for_a_word_about_us(words: str, blame: str):
    fields = "Action: failed", "Status: 5.0.0", f"Diagnostic-Code: smtp; {words}"
    assert reported("Final-Recipient: rfc822; reader@example.net", *fields).recipients[0].blame == blame


def test_thirty_megabytes_are_read_as_far_as_a_report_reaches():
    raw = (HERE / "qmail.eml").read_bytes() + b"papers and more papers\n" * 1_300_000
    assert blamed(read(raw)) == [("reader@example.net", "5.1.1", "hard")]


@pytest.mark.parametrize(
    "body",
    ["a@" * 120_000, "a" * 250_000, "user x " * 35_000, "Final-Recipient: \n\n" * 14_000, "original message \n" * 9_999,
     "delivered a b c d e f g " * 10_000, "_" * 250_000, " " * 250_000 + "x", "<" * 250_000, "1." * 120_000,
     "deliver" * 35_000, "".join(f"r{n}@b.example\n" for n in range(15_000))],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_no_text_makes_reading_slow(body: str):
    started = time.process_time()
    read(b"From: mailer-daemon@x.org\nSubject: failure notice\n\n" + body.encode())
    assert time.process_time() - started < 3


def test_a_report_on_thousands_is_read_as_far_as_any_of_ours_could_reach():
    people = [f"r{n}@b.example" for n in range(3000)]
    report = "".join(f"Final-Recipient: rfc822; {who}\nAction: failed\n\n" for who in people)
    parts = "\n" + "\n".join(people), f"Content-Type: message/delivery-status\n\n{report}"
    raw = "\n--cut\n".join(("Content-Type: multipart/report; boundary=cut\n", *parts))
    started = time.process_time()
    assert [failed.address for failed in read(raw.encode()).recipients] == people[:MOST]
    assert time.process_time() - started < 3


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=2000))
def test_garbage_never_raises(raw: bytes):
    assert isinstance(read(raw), Report)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SAMPLES), st.integers(0, 3000), st.integers(0, 200), st.binary(max_size=60))
def test_damaged_reports_never_raise(path: Path, at: int, length: int, instead: bytes):
    raw = path.read_bytes()
    assert isinstance(read(raw[:at] + instead + raw[at + length :]), Report)


def test_what_trips_a_parser_is_for_a_person(monkeypatch: pytest.MonkeyPatch):
    def trip(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("digest.delivery.bounces.arf.read", trip)
    assert read(b"From: a@b.org\n\nx").kind is Kind.UNREADABLE


# ---------------------------------------------------------------- real mails

DATA = Path(os.environ.get("DIGEST_TEST_DATA", "")) / "bounces"
real = pytest.mark.skipif("DIGEST_TEST_DATA" not in os.environ, reason="DIGEST_TEST_DATA is not set: no real bounces")


def labelled() -> list[tuple[dict[str, object], Report]]:
    rows = [json.loads(line) for line in (DATA / "labels.jsonl").read_text("utf-8").splitlines()]
    return [(row, read((DATA / row["file"]).read_bytes())) for row in rows]


@pytest.fixture(scope="module")
def mails():
    return labelled()


def as_labelled(mails) -> float:
    """The share of Sisimai's bounces whose recipients are as often hard as it says; what is ours counts as soft."""
    judged = [
        sorted(bool(d["hard"]) for d in row["deliveries"]) == sorted(f.blame == "hard" for f in report.recipients)
        for row, report in mails
        if row["source"] == "sisimai" and row["kind"] == "bounce"
    ]
    return sum(judged) / len(judged)


def recipients_found(mails) -> float:
    wanted = found = 0
    for row, report in mails:
        if row["source"] == "flufl.bounce" and "permanent" in row:
            here = {address.lower() for address in [*row["permanent"], *row["temporary"]]}
            wanted += len(here)
            found += len(here & {failed.address.lower() for failed in report.recipients})
    return found / wanted


@real
def test_hard_and_soft_are_told_apart_as_others_do(mails):
    assert as_labelled(mails) >= 0.88  # 0.90; the rest is mostly "filtered", which says the words of an unknown user


@real
def test_those_who_did_not_get_it_are_found(mails):
    pytest.importorskip("flufl.bounce", reason="flufl.bounce is not installed: only our own reading")
    assert recipients_found(mails) >= 0.98


@real
def test_our_own_reading_finds_most_of_them_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "flufl.bounce", None)
    alone = labelled()
    assert recipients_found(alone) >= 0.85
    assert as_labelled(alone) >= 0.87


@real
def test_no_ordinary_mail_and_no_answering_machine_counts(mails):
    ordinary = [report for row, report in mails if row["kind"] in ("not_bounce", "auto_reply")]
    assert not [report for report in ordinary if report.kind in (Kind.BOUNCE, Kind.COMPLAINT) or report.recipients]


@real
def test_all_complaints_are_found(mails):
    kinds = {report.kind for row, report in mails if row["kind"] == "feedback_report"}
    assert kinds == {Kind.COMPLAINT}
