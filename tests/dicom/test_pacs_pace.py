from datetime import datetime

import pytest
from tests.dicom.pacs_fake import Time

from plainscan.dicom.pacs_pace import LONGEST_WAIT_S, Pace, seconds_to_open
from plainscan.errors import PacsError


def test_bytes_per_second_are_kept_over_all_that_was_received() -> None:
    time = Time()
    pace = Pace(bytes_per_second=1000, clock=time.clock)
    for _ in range(10):
        pace.spend(500)
    assert time.passed_s == pytest.approx(5.0)


def test_time_without_a_transfer_is_no_credit() -> None:
    time = Time()
    pace = Pace(bytes_per_second=1000, clock=time.clock)
    time.passed_s = 100.0
    pace.spend(2000)
    assert time.waits == [pytest.approx(2.0)]


def test_without_a_limit_nobody_waits() -> None:
    time = Time()
    Pace(clock=time.clock).spend(1 << 30)
    assert time.waits == []


@pytest.mark.parametrize(
    ("now", "hours", "seconds"),
    [
        ("2020-01-01 21:59", "22:00-06:00", 60),
        ("2020-01-01 22:00", "22:00-06:00", 0),
        ("2020-01-02 05:59", "22:00-06:00", 0),
        ("2020-01-02 06:00", "22:00-06:00", 16 * 3600),
        ("2020-01-01 07:00", "08:00-12:00", 3600),
        ("2020-01-01 12:00", "08:00-12:00", 20 * 3600),
        ("2020-01-01 12:00", "08:00-08:00", 0),
    ],
)
def test_hours_may_span_midnight(now: str, hours: str, seconds: float) -> None:
    assert seconds_to_open(datetime.fromisoformat(now), hours) == seconds


def test_outside_the_hours_everybody_waits_for_them() -> None:
    time = Time("2020-01-01 21:00")
    Pace(hours="22:00-06:00", clock=time.clock).wait_for_hours()
    assert time.passed_s == 3600


def test_each_retry_waits_twice_as_long_up_to_a_limit() -> None:
    time = Time()
    pace = Pace(wait_s=2.0, clock=time.clock)
    for tries in (0, 1, 2, 50):
        pace.back_off(tries)
    assert time.waits == [2.0, 4.0, 8.0, LONGEST_WAIT_S]


def test_after_a_stop_nobody_goes_on() -> None:
    pace = Pace()
    pace.stop()
    for step in (pace.check, pace.wait_for_hours, lambda: pace.spend(1), lambda: pace.back_off(9)):
        with pytest.raises(PacsError) as caught:
            step()
        assert caught.value.code == "not_reached"
