from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from plainscan.dicom.deidentify_key import FARTHEST_DAYS, Key, make_key, moved, read_key
from plainscan.errors import SourceError, StorageError

KEY = Key(bytes(range(32)))


def test_a_new_key_can_be_read_by_its_owner_alone_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "cohort.key"
    key = make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key(path) == key
    before = path.read_bytes()
    with pytest.raises(StorageError, match="never overwritten"):
        make_key(path)
    assert path.read_bytes() == before
    assert make_key(tmp_path / "other.key") != key


def test_a_full_disk_leaves_no_half_written_key_and_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"cohort\.key: No space left on device"):
        make_key(tmp_path / "cohort.key")
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    make_key(tmp_path / "cohort.key")


@pytest.mark.parametrize("text", ["", "not hexadecimal", "ab" * 31, "00" * 32, "\xff"])
def test_what_is_no_key_is_refused_and_never_repeated(text: str, tmp_path: Path) -> None:
    path = tmp_path / "cohort.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(SourceError) as caught:
        read_key(path)
    assert not text or text not in str(caught.value)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    make_key(tmp_path / "k")
    (tmp_path / "k").chmod(0o640)
    with pytest.raises(SourceError, match="chmod 600"):
        read_key(tmp_path / "k")


def test_pseudonyms_depend_on_key_and_person_and_on_nothing_else() -> None:
    assert KEY.patient("4711") == Key(bytes(range(32))).patient("4711")
    assert len({KEY.patient("4711"), KEY.patient("4712"), Key(bytes(32)).patient("4711"), KEY.uid("4711")}) == 4
    assert "4711" not in repr(KEY)
    assert "0001" not in repr(KEY)


def test_shifts_spread_over_ten_years_and_never_stand_still() -> None:
    shifts = [KEY.days(str(number)) for number in range(2000)]
    assert max(shifts) <= -1
    assert min(shifts) >= -FARTHEST_DAYS
    assert len(set(shifts)) > 1400


def test_days_between_two_dates_stay_over_leap_days() -> None:
    assert moved((2020, 3, 1), -366) == (2019, 3, 1)
    assert moved((2019, 3, 1), -366) == (2018, 2, 28)
    assert moved((2021, 2, 29), -1) is None
