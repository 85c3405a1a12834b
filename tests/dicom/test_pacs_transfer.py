"""The transfer against a PACS that drops, withholds, lies and goes away; real ones are in tests/stages."""

from __future__ import annotations

import errno
import os
import threading
import tracemalloc
import zlib
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian
from tests.dicom.build import ROOT, ct, encode
from tests.dicom.pacs_fake import FakePacs, Time, instance, transfer

from plainscan.dicom.pacs import FoundStudy, Keep, Query, failure, hashed
from plainscan.dicom.pacs_pace import LOST, Pace
from plainscan.dicom.pacs_shelf import Shelf
from plainscan.errors import PacsError, StorageError

STUDY = FoundStudy(f"{ROOT}1", "A1", "20200105", "CT HEAD")


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in (folder / "fetched").rglob("*") if p.is_file())


def test_a_study_is_brought_under_names_that_are_hashes(tmp_path: Path) -> None:
    outcome = transfer(tmp_path, pacs := FakePacs()).bring(STUDY)
    assert (outcome.state, outcome.expected, outcome.instances, outcome.missing) == ("complete", 5, 5, ())
    assert pacs.asked == [(f"{ROOT}1.1", True)]
    assert files(tmp_path) == sorted(f"fetched/{hashed(STUDY.uid)}/{hashed(uid)}.dcm" for uid in pacs.sent)


def test_after_dropped_connections_only_the_missing_are_asked_for_and_none_comes_twice(tmp_path: Path) -> None:
    pacs = FakePacs()
    pacs.drops = [2, 1]
    outcome = transfer(tmp_path, pacs, time := Time()).bring(STUDY)
    assert outcome.state == "complete"
    assert len(pacs.sent) == len(set(pacs.sent)) == 5
    assert [whole for _, whole in pacs.asked] == [True, False, False]
    assert time.waits == [2.0, 2.0]  # each try brought something, so the wait did not grow


def test_a_study_that_stays_incomplete_is_partial_and_says_what_is_missing(tmp_path: Path) -> None:
    pacs = FakePacs()
    pacs.withheld = {f"{ROOT}1.1.3"}
    outcome = transfer(tmp_path, pacs, time := Time()).bring(STUDY)
    assert (outcome.state, outcome.code, outcome.instances) == ("partial", "not_sent", 4)
    assert outcome.missing == (f"{ROOT}1.1.3",)
    assert time.waits == [2.0, 2.0, 4.0]
    assert len(pacs.sent) == 4


@pytest.mark.parametrize("large_first", [True, False])
def test_an_instance_that_is_too_large_does_not_keep_another_series_from_being_tried_again(
    tmp_path: Path, large_first: bool
) -> None:
    large, slow = (f"{ROOT}1.1", f"{ROOT}1.2") if large_first else (f"{ROOT}1.2", f"{ROOT}1.1")
    asked: list[str] = []

    class OneIsTooLarge(FakePacs):
        def bring(self, study_uid: str, series_uid: str, instances: Collection[str], whole: bool, keep: Keep) -> None:
            asked.append(series_uid)
            if series_uid == large:
                raise failure("too_large")
            if asked.count(slow) == 1:
                raise failure("not_sent")
            super().bring(study_uid, series_uid, instances, whole, keep)

    pacs = OneIsTooLarge()
    pacs.listings[STUDY.uid] = {series: [f"{series}.{n}" for n in (1, 2)] for series in sorted((large, slow))}
    outcome = transfer(tmp_path, pacs).bring(STUDY)
    assert (outcome.state, outcome.code, outcome.missing) == ("partial", "too_large", (f"{large}.1", f"{large}.2"))
    assert (asked.count(large), asked.count(slow)) == (2, 2)  # and not again and again


def test_a_study_of_which_nothing_comes_has_failed(tmp_path: Path) -> None:
    pacs = FakePacs()
    pacs.down = True
    outcome = transfer(tmp_path, pacs).bring(STUDY)
    assert (outcome.state, outcome.code, outcome.instances) == ("failed", "unreachable", 0)


def test_a_uid_that_would_steer_a_path_is_never_asked_for(tmp_path: Path) -> None:
    pacs = FakePacs()
    pacs.listings[STUDY.uid][f"{ROOT}1.1"].append("../../evil")
    outcome = transfer(tmp_path, pacs).bring(STUDY)
    assert (outcome.state, outcome.code, outcome.missing) == ("partial", "bad_uid", ("../../evil",))
    assert transfer(tmp_path, pacs).bring(FoundStudy("../../evil")).code == "bad_uid"
    assert len(files(tmp_path)) == 5
    assert "../../evil" not in pacs.sent


def test_an_instance_that_was_not_asked_for_is_not_kept(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, STUDY.uid, Pace())
    for data in (instance(f"{ROOT}2", f"{ROOT}1.1", f"{ROOT}1.1.1"), instance(STUDY.uid, "1", "1.2"), b"", b"x" * 500):
        with pytest.raises(PacsError) as caught:
            shelf.keep(f"{ROOT}1.1.1", data)
        assert caught.value.code == "not_asked_for"
    assert shelf.sizes() == {}


@pytest.mark.parametrize("fault", ["garbage", "bomb", "cut"])
def test_an_instance_that_no_parser_can_read_is_not_kept_and_does_not_end_the_transfer(
    fault: str, tmp_path: Path
) -> None:
    whole = encode(ct(StudyInstanceUID=STUDY.uid, SOPInstanceUID=f"{ROOT}1.1.1"), DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(whole[140:144], "little")
    zeros = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(zeros.compress(bytes(1 << 20)) for _ in range(80)) + zeros.flush()
    data = whole[:start] + {"garbage": b"\xff" * 99, "bomb": bomb, "cut": whole[start : start + 40]}[fault]
    tracemalloc.start()
    with pytest.raises(PacsError) as caught:
        Shelf(tmp_path, STUDY.uid, Pace()).keep(f"{ROOT}1.1.1", data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == "not_asked_for"
    assert peak < 32 << 20
    Shelf(tmp_path, STUDY.uid, Pace()).keep(f"{ROOT}1.1.1", whole)
    assert len(list(tmp_path.rglob("*.dcm"))) == 1


def test_a_full_disk_stops_all_leaves_nothing_half_written_and_the_next_run_brings_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pacs, room = FakePacs(3), [7]
    sync = os.fsync

    def fill(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").readlink().suffix == ".partial":
            room[0] -= 1
            if room[0] < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    found = [FoundStudy(uid) for uid in pacs.listings]
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fill)
        with pytest.raises(StorageError, match="No space left"):
            list(transfer(tmp_path, pacs).bring_all(found))
    assert len(files(tmp_path)) == 7
    assert not [name for name in files(tmp_path) if "partial" in name]
    kept = set(files(tmp_path))
    outcomes = list(transfer(tmp_path, pacs).bring_all(found))
    assert [outcome.state for outcome in outcomes] == ["complete"] * 3
    assert kept < set(files(tmp_path))
    assert len(files(tmp_path)) == 15
    assert len(pacs.sent) == 16  # the one that found no room came again


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "fetched" / hashed(STUDY.uid)
    folder.mkdir(parents=True)
    (folder / f".{hashed(f'{ROOT}1.1.1')}.dcm.partial").write_bytes(b"half")
    assert transfer(tmp_path, FakePacs()).bring(STUDY).state == "complete"
    assert len(files(tmp_path)) == 5


def test_a_pacs_that_has_gone_ends_the_transfer_and_the_rest_is_not_reached(tmp_path: Path) -> None:
    pacs = FakePacs(30)
    pacs.down = True
    outcomes = list(transfer(tmp_path, pacs, retries=0).bring_all([FoundStudy(uid) for uid in pacs.listings]))
    codes = [outcome.code for outcome in outcomes]
    assert codes.count("unreachable") == LOST
    assert codes.count("not_reached") == 30 - LOST


def test_studies_that_were_not_reached_are_accounted_for_with_what_lies_here(tmp_path: Path) -> None:
    pacs = FakePacs(2)
    pacs.withheld = {f"{ROOT}1.1.5"}
    first = transfer(tmp_path, pacs, retries=0)
    assert first.bring(STUDY).state == "partial"
    size = len(instance(STUDY.uid, f"{ROOT}1.1", f"{ROOT}1.1.1"))
    first.pace.stop()
    outcome, other = first.bring_all([STUDY, FoundStudy(f"{ROOT}2")])
    if outcome.study != STUDY:
        outcome, other = other, outcome
    assert (outcome.state, outcome.code, outcome.expected) == ("partial", "not_reached", None)
    assert (outcome.instances, outcome.size) == (4, 4 * size)
    assert (other.state, other.instances) == ("failed", 0)


def test_a_study_that_had_begun_counts_as_lost_when_the_pacs_is_gone(tmp_path: Path) -> None:
    pacs = FakePacs(30)
    pacs.withheld = {uid for listing in pacs.listings.values() for uids in listing.values() for uid in uids[1:]}
    studies = [FoundStudy(uid) for uid in pacs.listings]
    list(transfer(tmp_path, pacs, retries=0).bring_all(studies))
    pacs.down = True
    codes = [outcome.code for outcome in transfer(tmp_path, pacs, retries=0).bring_all(studies)]
    assert codes.count("unreachable") == LOST


def test_files_that_another_query_brought_are_not_counted(tmp_path: Path) -> None:
    pacs = FakePacs()
    transfer(tmp_path, pacs).bring(STUDY)
    del pacs.listings[STUDY.uid][f"{ROOT}1.1"][2:]
    outcome = transfer(tmp_path, pacs).bring(STUDY)
    assert (outcome.state, outcome.expected, outcome.instances) == ("complete", 2, 2)


def test_a_series_of_which_the_pacs_names_no_instance_is_not_taken_for_complete(tmp_path: Path) -> None:
    pacs = FakePacs()
    pacs.listings[STUDY.uid][f"{ROOT}1.2"] = []
    outcome = transfer(tmp_path, pacs).bring(STUDY)
    assert (outcome.state, outcome.code, outcome.instances) == ("partial", "not_listed", 5)
    pacs.listings[STUDY.uid][f"{ROOT}1.2"] = [f"{ROOT}1.2.1"]
    assert transfer(tmp_path, pacs).bring(STUDY).state == "complete"


def test_a_query_is_retried_and_then_says_why_not(tmp_path: Path) -> None:
    pacs = FakePacs()
    pacs.down = True
    with pytest.raises(PacsError) as caught:
        transfer(tmp_path, pacs, time := Time()).find([Query("20200105")])
    assert caught.value.code == "unreachable"
    assert time.waits == [2.0, 4.0]


def test_an_accession_number_without_a_study_is_not_lost(tmp_path: Path) -> None:
    found = transfer(tmp_path, FakePacs(2)).find([Query("", "A2"), Query("", "A9")])
    assert [study.accession for study in found.studies] == ["A2"]
    assert (found.nothing, found.others) == (["A9"], 1)


def test_an_interruption_waits_for_what_runs_and_knows_what_is_missing_of_it(tmp_path: Path) -> None:
    begun = threading.Event()

    class Slow(FakePacs):
        def bring(self, study_uid: str, series_uid: str, instances: Collection[str], whole: bool, keep: Keep) -> None:
            for n, uid in enumerate(instances):
                if study_uid == f"{ROOT}2" and n == 2:
                    begun.set()
                    work.pace._stop.wait(20)
                keep(uid, instance(study_uid, series_uid, uid))

    work = transfer(tmp_path, Slow(3))
    with closing(work.bring_all([FoundStudy(f"{ROOT}{n}") for n in (1, 2, 3)])) as ending:
        assert next(ending).state == "complete"
        assert begun.wait(20)
    outcome = work.ended[f"{ROOT}2"]
    assert (outcome.state, outcome.code, outcome.expected, outcome.instances) == ("partial", "not_reached", 5, 2)
    assert outcome.missing == tuple(f"{ROOT}2.1.{i}" for i in (3, 4, 5))
    assert f"{ROOT}3" not in work.ended or work.ended[f"{ROOT}3"].code == "not_reached"


def test_a_series_that_has_begun_is_ended_and_the_next_one_waits_for_the_hours(tmp_path: Path) -> None:
    time = Time("2020-01-01 05:59")
    pacs = FakePacs()
    pacs.listings[STUDY.uid][f"{ROOT}1.2"] = [f"{ROOT}1.2.1"]
    size = len(instance(STUDY.uid, f"{ROOT}1.1", f"{ROOT}1.1.1"))
    bring = transfer(tmp_path, pacs, time, hours="22:00-06:00", bytes_per_second=size // 60).bring
    assert bring(STUDY).state == "complete"
    assert time.passed_s > 16 * 3600
    assert time.waits[:5] == [pytest.approx(60, abs=1)] * 5  # the first series, slowed down; its hours ended meanwhile
