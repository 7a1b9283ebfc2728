"""Messages a second."""

from datetime import date

from digest.delivery.pace import REST, Lanes, Pace, WarmUp


class Time:
    """Passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, span: float) -> None:
        self.now += span


def test_permits_come_at_the_rate_however_many_wait():
    time = Time()
    pace = Pace(20, now=time, sleep=time.sleep)
    for _ in range(100):
        pace.wait()
    assert round(time.now - 100, 6) == 99 / 20


def test_a_permit_is_taken_only_where_there_is_one():
    time = Time()
    pace = Pace(10, now=time, sleep=time.sleep)
    assert [pace.permit(), pace.permit()] == [True, False]
    time.now += 0.1
    assert [pace.permit(), pace.permit()] == [True, False]


def test_a_pause_saves_up_no_more_than_a_tenth_of_a_second():
    time = Time()
    pace = Pace(64, now=time, sleep=time.sleep)
    time.now += 3600
    assert [pace.permit() for _ in range(8)] == [True] * 7 + [False]


def test_without_a_rate_nobody_waits():
    time = Time()
    pace = Pace(0, now=time, sleep=time.sleep)
    assert all(pace.permit() for _ in range(1000))
    pace.wait()
    assert time.now == 100


# ---------------------------------------------------------------- domains


def lanes(time: Time, **rates: float) -> Lanes[str]:
    return Lanes({domain.replace("_", "."): rate for domain, rate in rates.items()}, now=time)


def test_a_slow_domain_waits_in_its_own_lane():
    time = Time()
    some = lanes(time, slow_example=2)
    assert [some.enter("slow.example", "a"), some.enter("slow.example", "b"), some.enter("slow.example", "c")] == [
        True, False, False,
    ]  # fmt: skip
    assert all(some.enter("other.example", str(n)) for n in range(100))
    assert (some.ready(), len(some), some.wait("slow.example")) == (None, 2, 1.5)
    time.now += 0.5
    assert (some.ready(), some.ready()) == ("b", None)
    time.now += 0.5
    assert (some.ready(), some.ready(), len(some)) == ("c", None, 0)


def test_a_star_is_each_other_domains_own_rate():
    some = Lanes[str]({"big.example": 0, "*": 1}, now=Time())
    assert [some.enter(domain, "") for domain in ("a.example", "b.example", "a.example")] == [True, True, False]
    assert all(some.enter("big.example", "") for _ in range(10))


def test_what_still_waits_can_be_taken_back():
    some = Lanes[str]({"*": 1}, now=Time())
    assert [some.enter("a.example", name) for name in "abc"] == [True, False, False]
    assert (sorted(some.leave()), len(some)) == (["b", "c"], 0)


def test_a_domain_that_puts_us_off_three_times_in_a_row_is_left_alone_for_a_while():
    time = Time()
    some = lanes(time)
    for put_off in (True, True, False, True, True):
        some.heard("busy.example", put_off=put_off)
    assert some.wait("busy.example") == 0
    some.heard("busy.example", put_off=True)
    assert (some.wait("busy.example"), some.wait("other.example")) == (REST, 0)
    time.now += REST
    assert some.enter("busy.example", "again")


# ---------------------------------------------------------------- new senders


def test_a_new_sender_may_send_more_each_day():
    ramp = WarmUp(date(2026, 1, 16), first=200, growth=1.5)
    allowed = [ramp.allowed(date(2026, 1, day)) for day in (10, 16, 17, 18, 26)]
    assert allowed == [200, 200, 300, 450, 11533]
    assert ramp.allowed(date(2036, 1, 1)) > 10**9
