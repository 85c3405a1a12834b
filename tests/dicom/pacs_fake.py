"""A PACS without a network, which does what a test tells it to, and a clock that jumps instead of waiting."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

from tests.dicom.build import ROOT, ct, encode

from plainscan.config import FetchSettings
from plainscan.dicom.pacs import FoundStudy, Keep, Listing, Query, failure
from plainscan.dicom.pacs_journal import Journal
from plainscan.dicom.pacs_pace import Clock, Pace
from plainscan.dicom.pacs_transfer import Transfer


class Time:
    """Time that passes only while somebody waits."""

    def __init__(self, start: str = "2020-01-01 12:00") -> None:
        self.start, self.passed_s = datetime.fromisoformat(start), 0.0
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.passed_s += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.start + timedelta(seconds=self.passed_s), lambda: self.passed_s, self.wait)


class FakePacs:
    """Studies 1 to ``count`` of one series with five instances each; ``sent`` counts what was asked for and sent."""

    def __init__(self, count: int = 1) -> None:
        self.listings: dict[str, Listing] = {
            f"{ROOT}{n}": {f"{ROOT}{n}.1": [f"{ROOT}{n}.1.{i}" for i in range(1, 6)]} for n in range(1, count + 1)
        }
        self.sent: list[str] = []
        self.asked: list[tuple[str, bool]] = []  # series, whether whole
        self.drops: list[int] = []  # after how many instances each of the next requests is cut off
        self.withheld: set[str] = set()
        self.down = False

    def find(self, query: Query) -> list[FoundStudy]:
        self._reach()
        return [FoundStudy(uid, f"A{n}", "20200105", "CT HEAD") for n, uid in enumerate(self.listings, 1)]

    def instances(self, study_uid: str) -> Listing:
        self._reach()
        return self.listings[study_uid]

    def bring(self, study_uid: str, series_uid: str, instances: Collection[str], whole: bool, keep: Keep) -> None:
        self._reach()
        self.asked.append((series_uid, whole))
        cut = self.drops.pop(0) if self.drops else None
        for n, uid in enumerate(instances):
            if n == cut:
                raise failure("dropped")
            if uid not in self.withheld:
                self.sent.append(uid)
                keep(uid, instance(study_uid, series_uid, uid))

    def close(self) -> None:
        pass

    def _reach(self) -> None:
        if self.down:
            raise failure("unreachable")


def instance(study_uid: str, series_uid: str, instance_uid: str) -> bytes:
    return encode(ct(StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid, SOPInstanceUID=instance_uid))


def transfer(folder: Path, pacs: FakePacs, time: Time | None = None, **settings: object) -> Transfer:
    values = {
        "pacs": "https://pacs/dicom-web",
        "since": "2020-01-05",
        "until": "2020-01-05",
        "at_once": 1,
        "retries": 2,
    }
    asked = FetchSettings.model_validate(values | settings)
    clock = (time or Time()).clock
    folder.mkdir(exist_ok=True)
    pace = Pace(asked.bytes_per_second, asked.hours, asked.wait_s, clock)
    return Transfer(asked, lambda: pacs, folder / "fetched", pace, Journal(folder, "q"))
