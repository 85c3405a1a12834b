"""How fast and when a transfer may work: bytes per second, hours of the day, waits before a retry.

Time comes from a ``Clock``, so that a test need not wait for the night.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from plainscan.dicom.pacs import failure

LOST: Final = 8  # studies in a row that end without a connection: the PACS is gone, and the rest is left for later
LONGEST_WAIT_S: Final = 300.0
LOOK_AGAIN_S: Final = 60.0  # while waiting for the hours: a machine may sleep, its clock be set


@dataclass(frozen=True, slots=True)
class Clock:
    """Local time, a time that only grows (s), and how to wait (s)."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    wait: Callable[[float], object]


class Pace:
    """Shared by all that works at once.

    Args:
        bytes_per_second: 0: no limit.
        hours: ``HH:MM-HH:MM`` or None for all day; an end before the start lies on the next day.
        wait_s: Before the first retry; each further one waits twice as long, up to five minutes.
        clock: None for the machine's.
    """

    def __init__(
        self, bytes_per_second: int = 0, hours: str | None = None, wait_s: float = 2.0, clock: Clock | None = None
    ) -> None:
        self._stop = threading.Event()
        self._clock = clock or Clock(datetime.now, time.monotonic, self._stop.wait)
        self._rate, self._hours, self._wait_s = bytes_per_second, hours, wait_s
        self._lock = threading.Lock()
        self._paid_until = self._clock.monotonic()
        self._lost = 0

    def stop(self) -> None:
        """Let nobody go on: every wait ends, and the next step raises."""
        self._stop.set()

    def check(self) -> None:
        """Raise PacsError (``not_reached``) after ``stop``."""
        if self._stop.is_set():
            raise failure("not_reached")

    def count(self, is_lost: bool) -> None:
        """Say how a study ended; after ``LOST`` in a row that were lost, nobody goes on."""
        with self._lock:
            self._lost = self._lost + 1 if is_lost else 0
            if self._lost >= LOST:
                self.stop()

    def spend(self, count: int) -> None:
        """Wait as long as so many bytes take at the rate, everybody's bytes together."""
        if self._rate:
            with self._lock:
                now = self._clock.monotonic()
                self._paid_until = max(now, self._paid_until) + count / self._rate
                wait_s = self._paid_until - now
            self._clock.wait(wait_s)
        self.check()

    def wait_for_hours(self) -> None:
        """Return at once within the hours; wait for their beginning outside."""
        self.check()
        while self._hours and (rest_s := seconds_to_open(self._clock.now(), self._hours)) > 0:
            self._clock.wait(min(rest_s, LOOK_AGAIN_S))
            self.check()

    def back_off(self, tries: int) -> None:
        """Wait before the retry after so many tries in a row that brought nothing, from 0."""
        self._clock.wait(min(self._wait_s * 2 ** min(tries, 30), LONGEST_WAIT_S))
        self.check()


def seconds_to_open(now: datetime, hours: str) -> float:
    """How long until the hours begin; 0 within them. Equal ends mean all day.

    >>> seconds_to_open(datetime(2020, 1, 1, 21, 0), "22:00-06:00")
    3600.0
    >>> seconds_to_open(datetime(2020, 1, 1, 5, 59), "22:00-06:00")
    0.0
    """
    start, end = (datetime.combine(now, datetime.strptime(part, "%H:%M").time()) for part in hours.split("-"))
    is_open = start <= now < end if start < end else now >= start or now < end
    if is_open:
        return 0.0
    return ((start if now < start else start + timedelta(days=1)) - now).total_seconds()
