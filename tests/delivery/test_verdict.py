from datetime import UTC, datetime, timedelta

import pytest

from digest.delivery.verdict import Breaker, Stop, Verdict, backoff, verdict
from digest.model import Outcome, Phase, State

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
DEADLINE = NOW + timedelta(hours=24)


def judged(phase: str, code: int, text: str = "", attempts: int = 1, now: datetime = NOW) -> Verdict:
    return verdict(Outcome(5, Phase(phase), code, text), attempts, now, DEADLINE)


@pytest.mark.parametrize(
    ("phase", "code", "text", "state", "stop"),
    [
        ("final", 250, "2.0.0 Ok", State.SENT, Stop.NONE),
        ("final", 200, "", State.SENT, Stop.NONE),
        ("final", 0, "timed out", State.UNCERTAIN, Stop.NONE),
        ("final", 354, "what?", State.UNCERTAIN, Stop.NONE),
        ("connect", 0, "refused", State.PENDING, Stop.RECONNECT),
        ("connect", 421, "busy", State.PENDING, Stop.RECONNECT),
        ("connect", 554, "no service", State.PENDING, Stop.RECONNECT),
        ("hello", 0, "certificate", State.PENDING, Stop.RECONNECT),
        ("hello", 454, "4.7.0 later", State.PENDING, Stop.RECONNECT),
        ("hello", 535, "5.7.8 wrong password", State.PENDING, Stop.PAUSE),
        ("mail", 550, "5.7.1 not you", State.PENDING, Stop.PAUSE),
        ("mail", 451, "4.3.0 later", State.PENDING, Stop.NONE),
        ("mail", 0, "lost", State.PENDING, Stop.RECONNECT),
        ("rcpt", 450, "4.2.0 greylisted", State.PENDING, Stop.NONE),
        ("rcpt", 421, "4.3.2 shutting down", State.PENDING, Stop.RECONNECT),
        ("rcpt", 550, "5.1.1 no such user", State.FAILED, Stop.NONE),
        ("data", 451, "4.3.0", State.PENDING, Stop.NONE),
        ("data", 0, "lost", State.PENDING, Stop.RECONNECT),
        ("data", 554, "5.6.0 no", State.FAILED, Stop.NONE),
        ("final", 452, "4.3.1 full", State.PENDING, Stop.NONE),
        ("final", 421, "4.3.2 shutting down", State.PENDING, Stop.RECONNECT),
        ("final", 554, "5.7.1 spam", State.FAILED, Stop.NONE),
    ],
)
def test_the_phase_decides_who_is_to_blame(phase, code, text, state, stop):
    found = judged(phase, code, text)
    assert (found.state, found.stop) == (state, stop)
    assert (found.not_before is not None) == (state is State.PENDING)


@pytest.mark.parametrize(
    ("phase", "code", "text", "blame", "counts"),
    [
        ("rcpt", 550, "5.1.1 <reader@example.org>: Recipient address rejected", "hard", False),
        ("rcpt", 550, "5.1.2 Bad destination system", "hard", False),
        ("rcpt", 553, "5.1.3 bad syntax", "hard", False),
        ("rcpt", 550, "5.1.6 moved", "hard", False),
        ("rcpt", 556, "5.1.10 null MX", "hard", False),
        ("rcpt", 550, "No such user here", "hard", False),
        ("rcpt", 550, "User unknown", "hard", False),
        ("rcpt", 550, "5.1.0 unknown recipient", "hard", False),
        ("rcpt", 550, "sorry, mailbox does not exist", "hard", False),
        ("rcpt", 550, "the domain of your sender does not exist", "ours", True),
        ("rcpt", 550, "relay not permitted", "ours", True),
        ("rcpt", 554, "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "ours", True),
        ("rcpt", 550, "5.5.0 Requested action not taken: mailbox unavailable", "hard", False),
        ("rcpt", 550, "5.2.1 no such user", "hard", False),
        ("rcpt", 550, "mailbox unavailable", "soft", False),
        ("rcpt", 552, "5.2.2 mailbox full", "soft", False),
        ("rcpt", 550, "5.1.7 bad sender", "ours", True),
        ("rcpt", 550, "5.1.8 bad sender system", "ours", True),
        ("rcpt", 550, "5.7.1 user unknown to our policy", "ours", True),
        ("rcpt", 550, "5.7.515 not authenticated", "ours", True),
        ("rcpt", 553, "5.6.7 no SMTPUTF8", "unknown", False),
        ("final", 550, "5.1.1 no such user", "hard", False),
        ("final", 550, "no such user", "unknown", True),
        ("final", 554, "5.7.1 spam", "ours", True),
        ("data", 554, "5.5.1 no", "ours", True),
        ("final", 0, "", "unknown", True),
        ("rcpt", 450, "4.2.0 later", "unknown", False),
        ("final", 451, "4.3.0 later", "unknown", False),
    ],
)
def test_a_refusal_is_blamed_as_its_bounce_would_be_and_only_our_troubles_count(phase, code, text, blame, counts):
    found = judged(phase, code, text)
    assert (found.blame, found.counts) == (blame, counts)


def test_an_address_that_is_put_off_until_the_deadline_is_blamed_and_a_server_that_is_busy_is_not():
    late = DEADLINE - timedelta(seconds=1)
    assert judged("rcpt", 452, "4.2.2 full", now=late).blame == "soft"
    assert judged("final", 451, "4.3.0 later", now=late).blame == "unknown"
    assert judged("connect", 0, now=DEADLINE).blame == "unknown"


def test_waiting_doubles_from_a_minute_to_an_hour():
    waits = [backoff(5, attempts).total_seconds() / 60 for attempts in range(1, 12)]
    for minutes, most in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60], strict=True):
        assert 0.75 * most <= minutes <= most


def test_deliveries_that_failed_together_do_not_come_back_together():
    assert len({backoff(id, 5) for id in range(100)}) > 95


def test_waiting_survives_a_restart():
    assert judged("rcpt", 450).not_before == judged("rcpt", 450).not_before == NOW + backoff(5, 1)


def test_no_server_means_again_at_the_next_tick():
    assert judged("connect", 0, attempts=9).not_before == NOW


def test_what_could_be_tried_again_only_after_the_deadline_is_expired():
    assert judged("final", 451, now=DEADLINE - timedelta(minutes=61), attempts=9).state is State.PENDING
    assert judged("final", 451, now=DEADLINE - timedelta(minutes=44), attempts=9).state is State.EXPIRED
    assert judged("connect", 0, now=DEADLINE - timedelta(seconds=1)).state is State.PENDING
    assert judged("connect", 0, now=DEADLINE).state is State.EXPIRED


def test_a_quarter_of_an_hour_of_greylisting_delays_and_two_days_of_it_expire():
    def fate(refused_for: timedelta) -> tuple[State, int]:
        now, attempts = NOW, 0
        while True:
            attempts += 1
            found = judged("rcpt", 450 if now < NOW + refused_for else 250, attempts=attempts, now=now)
            if now >= NOW + refused_for:
                return State.SENT, attempts
            if found.not_before is None:
                return found.state, attempts
            now = found.not_before

    assert fate(timedelta(minutes=15)) == (State.SENT, 6)
    assert fate(timedelta(hours=48))[0] is State.EXPIRED


def test_the_text_names_phase_and_code_and_no_address():
    assert (
        judged("rcpt", 550, "5.1.1 <reader@example.org>: unknown\nuser").text == "550 at rcpt: 5.1.1 <…>: unknown user"
    )
    assert judged("connect", 0, "refused").text == "no reply at connect: refused"


TROUBLE = judged("final", 554, "5.7.1 spam")
UNKNOWN = judged("rcpt", 550, "5.1.1 no such user")
SENT = judged("final", 250)


def test_the_breaker_trips_at_the_twentieth_trouble_in_a_row():
    breaker = Breaker()
    assert [breaker.tripped(TROUBLE) for _ in range(21)] == [False] * 19 + [True] * 2


def test_an_accepted_message_starts_the_count_anew_and_unknown_users_do_not_matter():
    breaker = Breaker(limit=3)
    assert not any(map(breaker.tripped, [TROUBLE, TROUBLE, SENT, TROUBLE, UNKNOWN, TROUBLE, *[UNKNOWN] * 9]))
    assert breaker.tripped(TROUBLE)
