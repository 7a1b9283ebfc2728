"""Messages a second."""

from digest.delivery.pace import Pace


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
